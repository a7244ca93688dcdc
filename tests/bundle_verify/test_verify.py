"""Checks of bundles before they run: ours have no findings; every attack is found, and nothing of it runs."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import stat
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_bundles import cli
from brain_bundles.zoo import pack
from bundle_verify import UnreadableBundleError, verify

BUNDLES = Path(__file__).parents[2] / "bundles"

NAME = "brain_mri_slice2volume_translator"


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A copy of a whole bundle that ships."""
    ignored = shutil.ignore_patterns("__pycache__", "output", "data", "cache")
    return Path(shutil.copytree(BUNDLES / NAME, tmp_path / NAME, ignore=ignored))


@pytest.fixture
def configs_alone(bundle) -> Path:
    """The copy without its weights, whose reading takes most of the time of a check."""
    shutil.rmtree(bundle / "models")
    return bundle


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    return pack(folder / "dist", bundles_dir=BUNDLES, bundles=[NAME], index=folder / "model_info.json")[0]


@pytest.fixture
def packed(packed_once, tmp_path) -> Path:
    """A zip that ships, to be changed."""
    (tmp_path / "dist").mkdir()
    return Path(shutil.copy(packed_once, tmp_path / "dist"))


def change(path: Path, key: str, value: object) -> None:
    """Set one top-level key of a config."""
    content = json.loads(path.read_text())
    content[key] = value
    path.write_text(json.dumps(content))


def found(path: Path) -> list[str]:
    return [str(finding) for finding in verify(path).findings]


def rewrite(path: Path, edit) -> Path:
    """Rewrite a zip with ``edit(info, content)`` for each entry, which returns the new content, or None to drop it."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = edit(info, old.read(info))
            if content is not None:
                new.writestr(info, content)
    return target


@pytest.mark.parametrize("path", sorted(path for path in BUNDLES.iterdir() if (path / "configs").is_dir()))
def test_nothing_is_found_in_our_folders(path):
    assert found(path) == []


@pytest.mark.parametrize("name", sorted(path.parents[1].name for path in BUNDLES.glob("*/models/model.pt")))
def test_nothing_is_found_in_our_bundles(name, tmp_path):
    path = pack(tmp_path / "dist", bundles_dir=BUNDLES, bundles=[name], index=tmp_path / "model_info.json")[0]
    assert found(path) == []
    shutil.unpack_archive(path, tmp_path)
    assert found(tmp_path / name) == []


# Zips


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{NAME}/../../evil.py", "leaves the folder it is unpacked into"),
        ("/etc/evil.conf", "is an absolute path"),
        ("C:/evil.conf", "is an absolute path"),
        (f"{NAME}\\..\\evil.py", "leaves the folder it is unpacked into"),
        (f"{NAME}/a\\b", "has a backslash"),
        (f"{NAME}//configs/inference.json", "is not a normalised path"),
        (f"{NAME}/./configs/inference.json", "is not a normalised path"),
        (f"{NAME}/license", "appears twice in the zip"),
        ("beside.txt", "must hold one top folder and nothing beside it"),
        (f"{NAME}/LICENSE", "appears twice in the zip"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_would_be_unpacked_elsewhere(packed, name, message):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, "evil")
    assert any(message in line for line in found(packed))


def test_a_link_in_a_zip(packed):
    info = zipfile.ZipInfo(f"{NAME}/models/link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert any("models/link: is a link or a device" in line for line in found(packed))


def test_a_link_in_a_folder(bundle):
    (bundle / "docs" / "link.md").symlink_to("/etc/passwd")
    assert found(bundle) == ["docs/link.md: is a link or a device; a bundle holds only files"]


def test_a_changed_byte(packed):
    content = bytearray(packed.read_bytes())
    position = content.index(b"Apache License")
    content[position] ^= 1
    packed.write_bytes(content)
    lines = found(packed)
    assert any(line.startswith("LICENSE: cannot be read from the zip (Bad CRC-32") for line in lines)


def test_a_file_that_was_exchanged_with_its_checksum_in_the_zip(packed):
    changed = rewrite(packed, lambda info, content: b"another" if info.filename.endswith("LICENSE") else content)
    assert found(changed) == ["MANIFEST.sha256: LICENSE has changed"]
    gone = rewrite(packed, lambda info, content: None if info.filename.endswith("data_license.txt") else content)
    assert found(gone) == ["MANIFEST.sha256: docs/data_license.txt is missing"]


@pytest.mark.parametrize("part", [0, 100, 0.5, 0.999])
def test_a_download_that_was_cut_off(packed, part):
    content = packed.read_bytes()
    packed.write_bytes(content[: part if isinstance(part, int) else int(part * len(content))])
    with pytest.raises(UnreadableBundleError, match=r"is not a whole zip; .* it may have been cut off"):
        verify(packed)


def test_what_is_no_bundle(tmp_path):
    with pytest.raises(UnreadableBundleError, match="does not exist"):
        verify(tmp_path / "nothing")
    with pytest.raises(UnreadableBundleError, match="is not a bundle: it has no folder configs"):
        verify(tmp_path)


# Configs


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
        ("$torch.load('models/evil.pt', weights_only=False)", "torch.load can run, load or write"),
        ("$torch.hub.load('owner/repo', 'model')", "torch.hub.load is not in the allow-list"),
        ("$monai.data.utils.os.system('touch ran')", "monai.data.utils.os.system"),
        ("$[torch][0].load('evil.pt')", "the name torch by itself"),
        ("$monai.data.utils", "monai.data.utils is a whole module"),
        ("$np.testing", "numpy.testing is a whole module"),
        ("$monai.networks.utils.optional_import('os')[0]", "optional_import can run, load or write"),
        ("$monai.handlers.stats_handler.logging.config.dictConfig({})", "is not in the allow-list"),
        ("$sys.path.insert(0, '/evil')", "sys.path.insert is not in the allow-list"),
        ("$sys.path.insert(1, @bundle_root_evil)", "sys.path.insert is not in the allow-list"),
        ("$sys.modules['os'].system('touch ran')", "sys.modules is not in the allow-list"),
        ("$import subprocess", "an import outside of imports"),
        ("$[str for str in (1, 2)]", "str is redefined"),
        ("$[0 for exec in []] or exec('1')", "exec is redefined"),
        ("$(ran := 1)", "NamedExpr is not part of the allowed grammar"),
        ("$@output_dir.write_text('ran')", "method write_text can run, load or write"),
        ("$@imports::0", "a reference to an import"),
        ("$@device.spawnlp(0, 'touch', 'ran')", "method spawnlp can run, load or write"),
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
        ("$@dataloader.multiprocessing_context.reducer.os.remove('ran')", "method os can run, load or write"),
        ("$torch.get_device_module('cpu')", "torch.get_device_module can run, load or write"),
        (
            "$torch.utils.data.datapipes.utils.decoder.basichandlers('pkl', b'')",
            "basichandlers is not in the allow-list",
        ),
        ("$torch.distributed.distributed_c10d.recv_object_list([])", "recv_object_list is not in the allow-list"),
        ("$torch.CompilationUnit('')", "torch.CompilationUnit is not in the allow-list"),
        ("$np.test(extra_argv=['--doctest-glob=*.md'])", "numpy.test can run, load or write"),
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
        ({"_target_": "LoadImage", "reader": "@text"}, "names code must be written out"),
        ({"_target_": "LoadImage", "reader": {"_target_": "os.path.join", "a": "exec"}}, "is not a reader, writer or"),
        ({"_target_": "LoadImage", "reader": "somebody.Reader"}, "somebody.Reader is not in the allow-list"),
        ({"_target_": "monai.transforms.SaveImaged", "keys": "a", "writer": "os.system"}, "is not a reader, writer or"),
        ({"_target_": "PatchInferer", "merger_cls": "$'os.' + 'system'"}, "names code must be written out"),
        ({"_target_": "LoadImage", "_mode_": "callable"}, "LoadImage without a call"),
        ("$monai.transforms.LoadImage('exec')", "reader must be a keyword argument"),
        ("$monai.transforms.LoadImage(reader='ex' + 'ec')", "names code must be written out"),
        ("$monai.transforms.LoadImage(**{'rea' + 'der': 'exec'})", "reader must be written out"),
        ("$[monai.transforms.LoadImage][0]('exec')", "monai.transforms.LoadImage without a call"),
        ("$pathlib.Path('a').replace('/b')", "pathlib.Path is not in the allow-list"),
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
        ({"_target_": "monai.transforms.utils.optional_import", "module": "os"}, "can run, load or write"),
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


def test_requirements_do_not_open_other_packages(bundle):
    path = bundle / "configs" / "metadata.json"
    change(path, "required_packages_version", {"subprocess": "1.0", "pyyaml": "6.0"})
    evil = [{"_target_": "subprocess.run", "args": ["touch", "ran"]}, {"_target_": "yaml.unsafe_load", "stream": ""}]
    change(bundle / "configs" / "inference.json", "evil", evil)
    lines = found(bundle)
    assert any("subprocess.run is not in the allow-list" in line for line in lines)
    assert any("yaml.unsafe_load is not in the allow-list" in line for line in lines)


def test_the_name_of_a_folder_opens_no_package(bundle):
    renamed = bundle.rename(bundle.with_name("subprocess"))
    change(renamed / "configs" / "inference.json", "evil", {"_target_": "subprocess.getoutput", "cmd": "touch ran"})
    assert any("subprocess.getoutput is not in the allow-list" in line for line in found(renamed))


def test_imports(bundle):
    """Imports bind for all files, so one file must not change the meaning of another file's names."""
    path = bundle / "configs" / "more.json"

    def with_imports(*lines: str) -> list[str]:
        path.write_text(json.dumps({"imports": list(lines)}))
        return [line for line in found(bundle) if line.startswith("configs/")]

    assert with_imports("$import math", "$import numpy as np", "$from monai.transforms import Compose") == []
    for line, message in (
        ("$import subprocess", "import of subprocess is not in the allow-list"),
        ("$import math as torch", "import of math under another name"),
        ("$from os import system", "import of os.system is not in the allow-list"),
        ("$from monai.networks.nets import UNet as len", "under another name"),
        ("$from .x import y", "import of"),
    ):
        assert any(message in one for one in with_imports(line)), line
    two = with_imports("$from monai.transforms import Compose", "$from torch.nn import Compose")
    assert any("Compose is monai.transforms.Compose in another place" in one for one in two)


def test_metadata_is_parsed_with_the_configs(bundle):
    change(bundle / "configs" / "metadata.json", "description", "$__import__('os').system('touch ran')")
    assert any("_meta_::description" in line and "the name __import__" in line for line in found(bundle))


@pytest.mark.parametrize("value", ["$@#A", "$'%#A'"])
def test_a_key_that_becomes_code(bundle, value):
    change(bundle / "configs" / "inference.json", "evil", {"a+eval('1')+@run": {"A": 0, "B": value}})
    assert any("a relative reference below a key" in line for line in found(bundle))


def test_a_config_that_stands_elsewhere(bundle):
    (bundle / "docs" / "run.json").write_text(json.dumps({"run": ["$eval('1')"]}))
    (bundle / "docs" / "list.json").write_text("[1, 2]")
    assert found(bundle) == ["docs/run.json, run::0: $eval('1'): the name eval is not allowed"]


def test_an_import_that_another_takes_its_module_from(bundle):
    (bundle / "configs" / "more.json").write_text(json.dumps({"imports": ["$import os", "$@#0.remove('ran')"]}))
    assert any(line.startswith("configs/more.json, imports::1: a relative reference") for line in found(bundle))


def test_overlays_that_change_what_a_file_says(bundle):
    """Every key of an overlay is checked as the key that it becomes after merging."""
    change(bundle / "configs" / "inference.json", "loader", {"_target_": "LoadImage"})
    overlay = {"+_target_": "os.system", "+loader::_mode_": "callable", "dataset#_target_": "os.system"}
    (bundle / "configs" / "more.json").write_text(json.dumps(overlay))
    lines = found(bundle)
    assert "configs/more.json, +_target_: os.system is not in the allow-list" in lines
    assert "configs/more.json, dataset#_target_: os.system is not in the allow-list" in lines
    assert "configs/inference.json, loader::_target_: LoadImage without a call" in lines


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bundle_root", "docs/figure.png"),
        ("+bundle_root", "docs/figure.png"),
        ("bundle_root", {"_target_": "os.path.join", "a": "docs/figure.png"}),
    ],
)
def test_a_bundle_root_that_is_another_folder(bundle, key, value):
    change(bundle / "configs" / "inference.json", key, value)
    assert any("goes onto the import path, so it must be '.'" in line for line in found(bundle))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ("{", "cannot be read"),
        ("[1]", "holds a list, expected a dictionary"),
        ('"' + "a" * (5 << 20) + '"', "is larger than 4 MiB"),
    ],
    ids=["doubled", "cut", "list", "large"],
)
def test_a_config_that_can_be_read_in_two_ways(bundle, text, message):
    (bundle / "configs" / "more.json").write_text(text)
    assert any(line.startswith("configs/more.json: ") and message in line for line in found(bundle))


def test_logging_that_runs_something(bundle):
    path = bundle / "configs" / "logging.conf"
    text = path.read_text()
    assert "args=(sys.stdout,)" in text.replace(" ", "")
    path.write_text(text.replace("(sys.stdout,)", "(__import__('os').system('touch ran'),)"))
    assert any("args are more than constants" in line for line in found(bundle))
    path.write_text(text.replace("class=StreamHandler", "class=evil.Handler"))
    assert any("the class evil.Handler is not in the allow-list" in line for line in found(bundle))
    path.write_text(text.replace("(sys.stdout,)", "('%(x)s',)\nx='+__import__('os').system('touch ran')+'"))
    assert any("args are more than constants" in line for line in found(bundle))
    path.write_text(text.replace("StreamHandler", "FileHandler").replace("(sys.stdout,)", "('/etc/passwd', 'w')"))
    assert any("args write to '/etc/passwd', outside of the current folder" in line for line in found(bundle))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "aliases are not allowed"),
        ("a: 1\na: 2", "has the key 'a' twice"),
        ("a: !!timestamp x", "cannot be read"),
        ("a: !!python/object/apply:os.system [touch ran]", "cannot be read"),
    ],
)
def test_yaml_that_is_not_plain(bundle, text, message):
    pytest.importorskip("yaml")
    (bundle / "configs" / "more.yaml").write_text(text)
    assert any(line.startswith("configs/more.yaml: ") and message in line for line in found(bundle))


# Files and metadata


def test_missing_files_and_ids_are_named(bundle):
    (bundle / "LICENSE").unlink()
    content = json.loads((bundle / "configs" / "inference.json").read_text())
    del content["evaluator"]
    (bundle / "configs" / "inference.json").write_text(json.dumps(content))
    lines = found(bundle)
    assert "LICENSE: is missing" in lines
    assert "configs/inference.json, evaluator: is missing; MONAI's tools need it" in lines


def test_metadata_that_the_schema_or_the_changelog_refuses(bundle):
    path = bundle / "configs" / "metadata.json"
    change(path, "version", "3.0.0")
    change(path, "monai_version", 1.6)
    lines = found(bundle)
    assert "configs/metadata.json, changelog: has no line for version 3.0.0" in lines
    assert any(line.startswith("configs/metadata.json, monai_version: 1.6 is not of type") for line in lines)
    path.unlink()
    assert "configs/metadata.json: is missing" in found(bundle)


def test_code_that_nobody_has_checked(bundle):
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "net.py").write_text("import os\n")
    (bundle / "scripts" / "fast.so").write_bytes(b"\x7fELF")
    (bundle / "data").mkdir()  # a folder that runs make
    (bundle / "data" / "evil.py").write_text("import os\n")
    (bundle / NAME / "__pycache__").mkdir()
    (bundle / NAME / "__pycache__" / "volumetric_unet.cpython-311.pyc").write_bytes(b"evil")
    shutil.make_archive(str(bundle / "docs" / "figure"), "zip", bundle / "scripts")
    (bundle / "docs" / "figure.zip").rename(bundle / "docs" / "figure.png")
    (bundle / NAME / "volumetric_unet.py").write_text("import os\n")
    lines = found(bundle)
    assert "scripts/net.py: is code that has not been checked; read it before you run the bundle" in lines
    assert "scripts/fast.so: can hold code that cannot be checked here" in lines
    assert "data/evil.py: is code that has not been checked; read it before you run the bundle" in lines
    assert "docs/figure.png: is a zip, which can hold code" in lines
    assert any(line.endswith(".pyc: is compiled code, which may differ from its source; delete it") for line in lines)
    assert any(line.startswith(f"{NAME}/volumetric_unet.py: differs from the file of that name") for line in lines)


# Weights


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_in_the_weights_is_not_run(bundle, tmp_path):
    weights = bundle / "models" / "model.pt"
    torch.save({"weight": torch.zeros(2), "evil": Evil(tmp_path / "ran")}, weights)
    assert any(line.startswith("models/model.pt: is not a file of plain tensors") for line in found(bundle))
    weights.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    assert any(line.startswith("models/model.pt: is not a file of plain tensors") for line in found(bundle))
    assert not (tmp_path / "ran").exists()


def test_what_can_run_is_found_under_any_name(bundle, tmp_path):
    evil = Evil(tmp_path / "ran")
    (bundle / "docs" / "a.dat").write_bytes(pickle.dumps(evil))
    (bundle / "docs" / "b.txt").write_bytes(pickle.dumps(evil, protocol=0))
    np.save(bundle / "docs" / "c.npy", np.array([evil], dtype=object), allow_pickle=True)
    np.save(bundle / "docs" / "plain.npy", np.zeros(3))
    (bundle / "docs" / "plain.txt").write_text("README\n")  # R is an opcode that calls, but here the stack is empty
    (bundle / "docs" / "plain.yml.txt").write_text("large_files:\n- path: a\n")
    (bundle / "docs" / ".hidden.pt").write_bytes(pickle.dumps(evil))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.py", "import os")
    (bundle / "docs" / "d.png").write_bytes(b"\x89PNG" + bytes(100) + archive.getvalue())
    with zipfile.ZipFile(bundle / "models" / "model.pt", "a") as file:
        file.writestr("evil.py", "import os")
    lines = found(bundle)
    assert lines == [
        "docs/a.dat: is a pickle, which can run code",
        "docs/b.txt: is a pickle, which can run code",
        "docs/c.npy: is an array of objects, which is a pickle",
        "docs/d.png: is a zip, which can hold code",
        *[line for line in lines if line.startswith("docs/.hidden.pt: is not a file of plain tensors")],
        "models/model.pt: is a zip that holds code: evil.py",
        *[line for line in lines if line.startswith("models/model.pt: is not a file of plain tensors")],
    ]
    assert len(lines) == 7
    assert not (tmp_path / "ran").exists()


def test_weights_that_do_not_fit_the_network(bundle):
    path = bundle / "models" / "model.pt"
    state = torch.load(path, weights_only=True)
    name = next(iter(state))
    changed = {("another" if key == name else key): value for key, value in state.items()}
    torch.save(changed, path)
    where = "models/model.pt: does not fit network_def of configs/inference.json"
    assert found(bundle) == [f"{where}: 1 missing in the file: {name}; 1 unknown to the network: another"]
    torch.save({**state, name: torch.zeros(3)}, path)
    assert f"1 of another shape: {name} (3,) instead of " in found(bundle)[0]
    torch.save([1, 2], path)
    assert found(bundle) == ["models/model.pt: holds a list, expected tensors by name"]
    shutil.copy(bundle / "models" / "autoencoder.pt", path)  # weights of another model
    assert "does not fit network_def" in found(bundle)[0]


@pytest.mark.parametrize(
    "network",
    [
        "$torch.nn.Identity()",
        {"_target_": "monai.networks.utils.optional_import", "module": "evilmod"},
        {"_target_": "monai.networks.utils.save_state", "src": {}, "path": "ran"},
        {"_target_": "monai.networks.nets.resnet50", "pretrained": True},
        {"_target_": "torch.nn.Linear", "in_features": 10**9, "out_features": 10**9},
        {"_target_": "torch.nn.Linear", "in_features": "$-" + "-" * 3000 + "1", "out_features": 1},
        {"_target_": "torch.nn.Sequential", "x": "$[1] * 8000"},
        {"_target_": "torch.nn.LazyLinear", "out_features": 1},
        "@network_def",
    ],
)
def test_a_network_that_text_does_not_tell_is_not_built(bundle, network, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evilmod.py").write_text("open('ran', 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    change(bundle / "configs" / "inference.json", "network_def", network)
    assert any("network_def: cannot be compared" in line or "cannot be checked" in line for line in found(bundle))
    assert not (tmp_path / "ran").exists()


def test_what_a_bundle_says_does_not_move_the_cursor(bundle):
    change(bundle / "configs" / "inference.json", "evil", "$\x1b[2K\ud800")
    assert all(line.isprintable() for line in found(bundle))


def test_safetensors_are_read_without_their_library(bundle):
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    header, position = {}, 0
    for name, value in state.items():
        size = value.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header).encode()
    (bundle / "models" / "model.pt").unlink()
    path = bundle / "models" / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(position))
    assert found(bundle) == []
    path.write_bytes(path.read_bytes()[:-1])
    assert found(bundle) == ["models/model.safetensors: is not a whole file of safetensors (cut off)"]


# The command


def test_exit_codes(bundle, packed, tmp_path, capsys, caplog, monkeypatch):
    assert cli.main(["verify", str(packed)]) == 0
    assert capsys.readouterr().out == ""
    (bundle / "LICENSE").unlink()
    assert cli.main(["verify", str(bundle)]) == 1
    assert capsys.readouterr().out == "LICENSE: is missing\n"
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert cli.main(["verify", str(tmp_path / "broken.zip")]) == 2
    assert "is not a whole zip" in caplog.text
    monkeypatch.setitem(sys.modules, "jsonschema", None)  # not installed
    assert cli.main(["verify", str(packed)]) == 2
    assert "verify needs jsonschema: pip install jsonschema pyyaml" in caplog.text


def test_any_monai_bundle_is_read(tmp_path):
    """A bundle with a config in YAML and a macro, and without a manifest."""
    pytest.importorskip("yaml")
    root = tmp_path / "spleen_ct_segmentation"
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "docs").mkdir()
    (root / "docs" / "README.md").touch()
    (root / "LICENSE").touch()
    metadata = json.loads((BUNDLES / NAME / "configs" / "metadata.json").read_text())
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (root / "configs" / "inference.yaml").write_text(
        """
imports: ["$import glob", "$import os"]
bundle_root: .
dataset_dir: /data
device: "$torch.device('cpu')"
channels: [4, 8]
network_def: {_target_: UNet, spatial_dims: 3, in_channels: 1, out_channels: 2, channels: "@channels", strides: [2]}
dataset: {_target_: Dataset, data: "$sorted(glob.glob(os.path.join(@dataset_dir, '*.nii.gz')))"}
inferer: {_target_: SimpleInferer}
evaluator: {_target_: SupervisedEvaluator, network: "%network_def"}
run: ["$@evaluator.run()"]
"""
    )
    from monai.networks.nets import UNet

    buffer = io.BytesIO()
    torch.save(UNet(3, 1, 2, (4, 8), (2,)).state_dict(), buffer)
    (root / "models" / "model.pt").write_bytes(buffer.getvalue())
    assert found(root) == []
