"""Expressions and components in configs: what is not known is reported, what configs need passes."""

from __future__ import annotations

import pytest

from .helpers import change, found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("$__import__('os').system('touch ran')", "the name __import__"),
        ("$(lambda path: open(path, 'w'))('ran')", "the name open"),
        ("$eval('1')", "the name eval"),
        ("$().__class__.__bases__[0].__subclasses__()", "attribute __class__ is private"),
        ('$f"{@device.__init__.__globals__}"', "attribute __globals__ is private"),
        ("$f'{@device.__init__.__globals__}'", ""),
        ("$getattr(@device, 'sys' + 'tem')", "getattr with a computed name"),
        ("$torch.load('models/evil.pt', weights_only=False)", "weights_only can run what a file holds"),
        ("$torch.hub.load('owner/repo', 'model')", "torch.hub.load is not in the allow-list"),
        ("$monai.data.utils.os.system('touch ran')", "monai.data.utils.os.system"),
        ("$[torch][0].load('evil.pt')", "the name torch by itself"),
        ("$monai.data.utils", "monai.data.utils is a whole module"),
        ("$np.testing", "numpy.testing is a whole module"),
        ("$monai.networks.utils.optional_import('os')[0]", "optional_import is not in the allow-list"),
        ("$monai.handlers.stats_handler.logging.config.dictConfig({})", "is not in the allow-list"),
        ("$sys.path.insert(0, '/evil')", "sys.path.insert is not in the allow-list"),
        ("$sys.path.insert(1, @bundle_root_evil)", "sys.path.insert is not in the allow-list"),
        ("$sys.modules['os'].system('touch ran')", "sys.modules is not in the allow-list"),
        ("$import subprocess", "import of subprocess is not in the allow-list"),
        ("$[str for str in (1, 2)]", "str is redefined"),
        ("$[0 for exec in []] or exec('1')", "exec is redefined"),
        ("$(ran := 1)", "NamedExpr is not part of the allowed grammar"),
        ("$@output_dir.write_text('ran')", "method write_text is not in the allow-list"),
        ("$@imports::0", "a reference to an import"),
        ("$@device.spawnlp(0, 'touch', 'ran')", "method spawnlp is not in the allow-list"),
        # MONAI changes the text before it evaluates it: a # becomes ::, and references are replaced as text.
        ("$[1,2][0 # ]+[__import__('os').system('touch ran')]+[1,2][0\n:1]", "the name __import__"),
        ('$\'@seed{__import__("os").system("touch ran")}\'', ""),
        ("$\uff45val('1')", ""),
        ("$" + "-" * 7000 + "1", "is longer than 4000 characters"),
        ("$" + "1+" * 1500 + "1", ""),
        ("$monai.data.NumpyReader(allow_pickle=True)", "allow_pickle can run what a file holds"),
        ("$monai.data.NumpyReader(**{'allow_pickle': True})", "allow_pickle can run what a file holds"),
        # Modules reached through other modules.
        ("$os.path.os.remove('ran')", "os.path.os.remove is not in the allow-list"),
        (
            "$os.path.os.sys.modules.get('os').system('touch ran')",
            "os.path.os.sys.modules.get is not in the allow-list",
        ),
        (
            "$torch.backends.cudnn.sys.modules.get('os')",
            "torch.backends.cudnn.sys.modules.get is not in the allow-list",
        ),
        ("$@dataloader.multiprocessing_context.reducer.os.remove('ran')", "attribute os is not in the allow-list"),
        ("$torch.get_device_module('cpu')", "torch.get_device_module is not in the allow-list"),
        (
            "$torch.utils.data.datapipes.utils.decoder.basichandlers('pkl', b'')",
            "basichandlers is not in the allow-list",
        ),
        ("$torch.distributed.distributed_c10d.recv_object_list([])", "recv_object_list is not in the allow-list"),
        ("$torch.CompilationUnit('')", "torch.CompilationUnit is not in the allow-list"),
        ("$np.test(extra_argv=['--doctest-glob=*.md'])", "numpy.test is not in the allow-list"),
        # References and macros to imports, which are whole modules.
        ("@imports::0", "a reference to an import"),
        ("@###imports#0", "a reference to an import"),
        ("$@::::::imports::0.remove('ran')", "a reference to an import"),
        ("%imports::0", "a macro to an import"),
        ("%imports", "a macro to an import"),
        ("%configs/train.json", "a macro to an import"),
        # Readers, writers and mergers, which MONAI looks up and calls.
        ({"_target_": "LoadImage", "reader": "subprocess.getoutput", "cmd": "touch ran"}, "is not a reader, writer or"),
        ({"_target_": "LoadImage", "reader": ["exec"]}, "exec is not a reader, writer or merger"),
        ({"_target_": "LoadImage", "reader": "@text"}, "reader names code and must be written out"),
        ({"_target_": "LoadImage", "reader": {"_target_": "os.path.join", "a": "exec"}}, "is not a reader, writer or"),
        ({"_target_": "LoadImage", "reader": "somebody.Reader"}, "somebody.Reader is not in the allow-list"),
        ({"_target_": "monai.transforms.SaveImaged", "keys": "a", "writer": "os.system"}, "is not a reader, writer or"),
        ({"_target_": "PatchInferer", "merger_cls": "$'os.' + 'system'"}, "merger_cls names code and must be"),
        ({"_target_": "LoadImage", "_mode_": "callable"}, "LoadImage without a call"),
        ("$monai.transforms.LoadImage('exec')", "exec is not a reader, writer or merger"),
        ("$monai.transforms.LoadImage(reader='ex' + 'ec')", "reader names code and must be written out"),
        ("$monai.transforms.LoadImage(**{'rea' + 'der': 'exec'})", "reader must be written out"),
        ("$[monai.transforms.LoadImage][0]('exec')", "monai.transforms.LoadImage without a call"),
        ("$pathlib.Path('a').replace('/b')", "replace needs new"),
        ("$yaml.unsafe_load('')", "yaml.unsafe_load is not in the allow-list"),
        ("$not an expression", "is not an expression"),
        ("%/etc/secrets.json::key", "macro to a file outside of the bundle: /etc/secrets.json"),
        ("%../other/configs/train.json::train", "macro to a file outside of the bundle: ../other/configs/train.json"),
        ("%configs/nothing.json::a", "macro to configs/nothing.json, which is not a config of the bundle"),
        ("%configs/train.json::nothing", "macro to 'nothing', which configs/train.json does not hold"),
        ("%\nextra/e.json::k", "has a form that is not supported"),
        ("%#k", "has a form that is not supported"),
        ({"_target_": "os.system", "command": "touch ran"}, "os.system is not in the allow-list"),
        ({"_target_": "builtins.eval", "source": "1"}, "builtins.eval is not in the allow-list"),
        ({"_target_": "open", "file": "ran", "mode": "w"}, "open is not a class or function of MONAI"),
        ({"_target_": "run_cmd", "cmd_list": ["touch", "ran"]}, "run_cmd is not in the allow-list"),
        ({"_target_": "@n"}, "a target must be written out"),
        ({"_target_": "%n"}, "a target must be written out"),
        ({"_target_": "$'os.sys' + 'tem'"}, "a target must be written out"),
        ({"_target_": ["os.system"]}, "a target must be written out"),
        ({"_target_": {"_target_": "functools.partial"}}, "a target must be written out"),
        ({"_target_": "monai.bundle.scripts.run"}, "monai.bundle.scripts.run is not in the allow-list"),
        ({"_target_": "monai.utils.instantiate", "path": "os.system"}, "monai.utils.instantiate is not in the allow"),
        (
            {"_target_": "monai.transforms.utils.optional_import", "module": "os"},
            "optional_import is not in the allow-list",
        ),
        ({"_target_": "torch.utils.benchmark.Timer", "stmt": "1"}, "torch.utils.benchmark.Timer is not in the allow"),
        ({"_target_": "torch.utils.collect_env.run"}, "torch.utils.collect_env.run is not in the allow-list"),
        ({"_target_": "torch.nn.modules.module.torch.load"}, "torch.nn.modules.module.torch.load"),
        ({"_target_": "subprocess.getoutput", "cmd": "touch ran"}, "subprocess.getoutput is not in the allow-list"),
        ({"_target_": "brain_bundles.cli.main"}, "brain_bundles.cli.main is not in the allow-list"),
        ({"_target_": "somebody.networks.Net"}, "somebody.networks.Net is not in the allow-list"),
        ({"_target_": "monai.networks.nets.NoSuchNet"}, "does not exist in the installed packages"),
        ({"_target_": "monai.networks.nets.UNet", "_mode_": "debug"}, "the mode 'debug' may stop in a debugger"),
        ({"_target_": "UNet", "_mode_": "$'debug'"}, "may stop in a debugger"),
    ],
)
def test_what_a_config_has_no_need_to(configs_alone, value, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    change(configs_alone / "configs" / "inference.json", "evil", {"deep": [value]})
    lines = found(configs_alone)
    assert [line for line in lines if message in line and line.startswith("configs/inference.json, evil::deep::0")]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value",
    [
        "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "$monai.transforms.io.array.LoadImage()",
        "$np.random.RandomState(@seed)",
        "$print(@seed, os.cpu_count())",
        "$len([x for x in @spatial_size if x > 1]) // 2",
        "$lambda x: (x['pred'], x['label'])",
        "$os.path.join(@bundle_root, 'models')",
        "$json.loads('[1]') + [math.pi, torch.backends.cudnn.enabled]",
        "$monai.transforms.LoadImaged('image', reader=monai.data.NibabelReader)",
        {"_target_": "LoadImaged", "keys": "image", "reader": ["NibabelReader", "itkreader"]},
        {"_target_": "SaveImage", "writer": "$monai.data.NibabelWriter"},
        "$getattr(@network_def, 'preconditioning', None)",
        "%configs/train.json::autoencoder_def::channels",
        {"_target_": "UNet", "spatial_dims": 3},
        {"_target_": "nibabel.load", "filename": "a.nii"},  # metadata.json requires nibabel
    ],
)
def test_what_configs_do_is_let_pass(bundle, value):
    change(bundle / "configs" / "inference.json", "harmless", value)
    assert found(bundle) == []
