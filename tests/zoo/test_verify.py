"""Bundles that are checked before they run: ours have nothing, and each attack is found and runs nothing."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from brain_bundles import cli
from brain_bundles.zoo import UnreadableBundleError, pack, verify

from .conftest import BUNDLES

NAME = "brain_mri_slice2volume_translator"


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A copy of a whole bundle that ships."""
    ignored = shutil.ignore_patterns("__pycache__", "output", "data", "cache")
    return Path(shutil.copytree(BUNDLES / NAME, tmp_path / NAME, ignore=ignored))


@pytest.fixture
def packed(tmp_path) -> Path:
    return pack(tmp_path / "dist", bundles_dir=BUNDLES, bundles=[NAME], index=tmp_path / "model_info.json")[0]


def change(path: Path, key: str, value: object) -> None:
    """Set one top-level key of a config."""
    content = json.loads(path.read_text())
    content[key] = value
    path.write_text(json.dumps(content))


def found(path: Path) -> list[str]:
    return [str(finding) for finding in verify(path)]


def rewrite(path: Path, edit) -> Path:
    """The zip anew, every entry through ``edit(info, content) -> content or None``."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = edit(info, old.read(info))
            if content is not None:
                new.writestr(info, content)
    return target


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLES.iterdir() if (path / "models").is_dir()))
def test_nothing_is_found_in_our_bundles(name, tmp_path):
    assert found(BUNDLES / name) == []
    path = pack(tmp_path / "dist", bundles_dir=BUNDLES, bundles=[name], index=tmp_path / "model_info.json")[0]
    assert found(path) == []


# Zips


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{NAME}/../../evil.py", "leaves the folder it is unpacked into"),
        ("/etc/evil.conf", "is an absolute path"),
        ("C:/evil.conf", "is an absolute path"),
        (f"{NAME}\\..\\evil.py", "leaves the folder it is unpacked into"),
        (f"{NAME}/a\\b", "has a backslash"),
        ("beside.txt", "must hold one top folder and nothing beside it"),
        (f"{NAME}/LICENSE", "stands twice in the zip"),
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
    assert found(bundle) == ["docs/link.md: is a link; a bundle holds files alone"]


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
    with pytest.raises(UnreadableBundleError, match="is no bundle: it has no folder configs"):
        verify(tmp_path)


# Configs


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("$__import__('os').system('touch ran')", "the name __import__"),
        ("$(lambda path: open(path, 'w'))('ran')", "the name open"),
        ("$eval('1')", "the name eval"),
        ("$().__class__.__bases__[0].__subclasses__()", "attribute __class__ is private"),
        ("$f'{@device.__init__.__globals__}'", "attribute __globals__ is private"),
        ("$getattr(@device, 'sys' + 'tem')", "getattr with a name that is computed"),
        ("$torch.load('models/evil.pt', weights_only=False)", "torch.load can run, load or write"),
        ("$torch.hub.load('owner/repo', 'model')", "torch.hub.load can run, load or write"),
        ("$monai.data.utils.os.system('touch ran')", "monai.data.utils.os.system can run, load or write"),
        ("$[torch][0].load('evil.pt')", "the name torch by itself"),
        ("$sys.path.insert(0, '/tmp/evil')", "sys.path.insert is not in the allow-list"),
        ("$sys.modules['os'].system('touch ran')", "sys.modules is not in the allow-list"),
        ("$import subprocess", "import of subprocess is not in the allow-list"),
        ("$from os import system", "import of os.system can run, load or write"),
        ("$import subprocess as torch", "import of subprocess is not in the allow-list"),
        ("$[str for str in (1, 2)]", "str becomes the name of something else"),
        ("$(ran := 1)", "NamedExpr is not part of the allowed grammar"),
        ("$@output_dir.write_text('ran')", "method write_text can run, load or write"),
        ("$not an expression", "is not an expression"),
        ("%/etc/secrets.json::key", "macro to a file outside of the bundle: /etc/secrets.json"),
        ("%../other/configs/train.json::train", "macro to a file outside of the bundle: ../other/configs/train.json"),
        ("%configs/nothing.json::a", "macro to configs/nothing.json, which is no config of the bundle"),
        ("%configs/train.json::nothing", "macro to 'nothing', which configs/train.json does not hold"),
        ({"_target_": "os.system", "command": "touch ran"}, "os.system can run, load or write"),
        ({"_target_": "builtins.eval", "source": "1"}, "builtins.eval is not in the allow-list"),
        ({"_target_": "monai.bundle.scripts.run"}, "monai.bundle.scripts.run is not in the allow-list"),
        ({"_target_": "monai.utils.instantiate", "path": "os.system"}, "monai.utils.instantiate is not in the allow"),
        ({"_target_": "torch.utils.benchmark.Timer", "stmt": "1"}, "torch.utils.benchmark.Timer is not in the allow"),
        ({"_target_": "torch.utils.collect_env.run"}, "torch.utils.collect_env.run is not in the allow-list"),
        ({"_target_": "torch.nn.modules.module.torch.load"}, "torch.nn.modules.module.torch.load can run"),
        ({"_target_": "somebody.networks.Net"}, "somebody.networks.Net is not in the allow-list"),
        ({"_target_": "$__import__('os').system"}, "the name __import__"),
        ({"_target_": "monai.networks.nets.UNet", "_mode_": "debug"}, "the mode 'debug' stops in a debugger"),
    ],
)
def test_what_a_config_has_no_need_to(bundle, value, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    change(bundle / "configs" / "inference.json", "evil", {"deep": [value]})
    lines = found(bundle)
    assert [line for line in lines if message in line and line.startswith("configs/inference.json, evil::deep::0")]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value",
    [
        "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "$monai.transforms.io.array.LoadImage()",
        "$np.random.RandomState(@seed)",
        "$len([x for x in @spatial_size if x > 1]) // 2",
        "$lambda x: (x['pred'], x['label'])",
        "$pathlib.Path(@output_dir) / 'a'",
        "$os.path.join(@bundle_root, 'models')",
        "$getattr(@network_def, 'preconditioning', None)",
        "%configs/train.json::autoencoder_def::channels",
        {"_target_": "UNet", "spatial_dims": 3},
        {"_target_": "nibabel.load", "filename": "a.nii"},  # metadata.json requires nibabel
    ],
)
def test_what_configs_do_is_let_pass(bundle, value):
    change(bundle / "configs" / "inference.json", "harmless", value)
    assert found(bundle) == []


def test_requirements_do_not_open_the_standard_library(bundle):
    path = bundle / "configs" / "metadata.json"
    change(path, "required_packages_version", {"subprocess": "1.0", "os": "1.0"})
    change(bundle / "configs" / "inference.json", "evil", {"_target_": "subprocess.run", "args": ["touch", "ran"]})
    assert any("subprocess.run is not in the allow-list" in line for line in found(bundle))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ("{", "cannot be read"),
        ("[1]", "holds a list, expected a dictionary"),
    ],
)
def test_a_config_that_can_be_read_in_two_ways(bundle, text, message):
    (bundle / "configs" / "more.json").write_text(text)
    assert any(line.startswith("configs/more.json: ") and message in line for line in found(bundle))


def test_logging_that_runs_something(bundle):
    path = bundle / "configs" / "logging.conf"
    text = path.read_text()
    assert "args=(sys.stdout,)" in text.replace(" ", "")
    path.write_text(text.replace("(sys.stdout,)", "(__import__('os').system('touch ran'),)"))
    assert any("args is more than constants" in line for line in found(bundle))
    path.write_text(text.replace("class=StreamHandler", "class=evil.Handler"))
    assert any("the class evil.Handler is not in the allow-list" in line for line in found(bundle))


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
    (bundle / NAME / "volumetric_unet.py").write_text("import os\n")
    lines = found(bundle)
    assert "scripts/net.py: is code that has not been checked; read it before you run the bundle" in lines
    assert "scripts/fast.so: can hold code that cannot be looked at here" in lines
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


def test_weights_that_do_not_fit_the_network(bundle):
    path = bundle / "models" / "model.pt"
    state = torch.load(path, weights_only=True)
    name = next(iter(state))
    changed = {("another" if key == name else key): value for key, value in state.items()}
    torch.save(changed, path)
    message = (
        f"models/model.pt: does not fit network_def of configs/inference.json: 1 missing: {name}; 1 unknown: another"
    )
    assert found(bundle) == [message]
    torch.save({**state, name: torch.zeros(3)}, path)
    assert f"1 of another shape: {name} [3] for " in found(bundle)[0]
    torch.save([1, 2], path)
    assert found(bundle) == ["models/model.pt: holds a list, expected tensors by name"]
    shutil.copy(bundle / "models" / "autoencoder.pt", path)  # those of another model
    assert "does not fit network_def" in found(bundle)[0]


def test_a_network_that_text_does_not_tell(bundle):
    change(bundle / "configs" / "inference.json", "volumetric_attention", "$torch.cuda.is_available()")
    assert any("cannot be compared with models/model.pt without running the config" in line for line in found(bundle))


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


def test_exit_codes(bundle, packed, tmp_path, capsys, caplog):
    assert cli.main(["verify", str(packed)]) == 0
    assert capsys.readouterr().out == ""
    (bundle / "LICENSE").unlink()
    assert cli.main(["verify", str(bundle)]) == 1
    assert capsys.readouterr().out == "LICENSE: is missing\n"
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert cli.main(["verify", str(tmp_path / "broken.zip")]) == 2
    assert "is not a whole zip" in caplog.text


def test_any_monai_bundle_is_read(tmp_path):
    """One with a config in YAML, code of its own and a macro, and without a manifest."""
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
