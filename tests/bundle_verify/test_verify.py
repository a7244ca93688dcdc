"""The whole check: our bundles pass, other bundles are read, and the command says what was judged."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from brain_bundles import cli
from brain_bundles.zoo import pack
from bundle_verify import UnreadableBundleError, verify

from .helpers import change, found

BUNDLES = Path(__file__).parents[2] / "bundles"
NAME = "brain_mri_slice2volume_translator"


@pytest.mark.parametrize("path", sorted(path for path in BUNDLES.iterdir() if (path / "configs").is_dir()))
def test_nothing_is_found_in_our_folders(path):
    assert found(path) == []


@pytest.mark.parametrize("name", sorted(path.parents[1].name for path in BUNDLES.glob("*/models/model.pt")))
def test_nothing_is_found_in_our_bundles(name, tmp_path):
    path = pack(tmp_path / "dist", bundles_dir=BUNDLES, bundles=[name], index=tmp_path / "model_info.json")[0]
    assert found(path) == []
    shutil.unpack_archive(path, tmp_path)
    assert found(tmp_path / name) == []


def test_what_is_no_bundle(tmp_path):
    with pytest.raises(UnreadableBundleError, match="does not exist"):
        verify(tmp_path / "nothing")
    with pytest.raises(UnreadableBundleError, match="is not a bundle: it has no folder configs"):
        verify(tmp_path)


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


def test_exit_codes(bundle, packed, tmp_path, capsys, caplog, monkeypatch):
    caplog.set_level("INFO")
    assert cli.main(["verify", str(packed)]) == 0
    assert ": nothing found in " in caplog.text
    assert caplog.text.endswith(" judged parts, 0 not judged\n")
    assert capsys.readouterr().out == ""
    (bundle / "LICENSE").unlink()
    assert cli.main(["verify", str(bundle)]) == 1
    assert capsys.readouterr().out == "LICENSE: is missing\n"
    assert f"{bundle}: 1 found in " in caplog.text
    (bundle / "LICENSE").touch()
    (bundle / "fast.so").touch()
    assert cli.main(["verify", str(bundle)]) == 1
    assert capsys.readouterr().out == "fast.so: not judged: can hold code that cannot be checked here\n"
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


def test_the_report_counts_what_was_judged(configs_alone):
    """A part more in a config is a judged part more, or one that was not judged."""
    report = verify(configs_alone)
    assert (report.found, report.not_judged) == ([], [])
    assert str(report) == f"nothing found in {report.num_judged} judged parts, 0 not judged"
    path = configs_alone / "configs" / "inference.json"
    change(path, "more", [{"_target_": "UNet"}, "$1 + 1", "@device", "text", 7])
    assert verify(configs_alone).num_judged == report.num_judged + 3
    change(path, "more", ["$1 + 1", "$evil()", "$torch.load('a', weights_only=False)"])
    more = verify(configs_alone)
    assert more.num_judged == report.num_judged + 2
    assert [one.key for one in more.not_judged] == ["more::1"]
    assert [one.key for one in more.found] == ["more::2"]
    assert str(more) == f"1 found in {more.num_judged} judged parts, 1 not judged"


def test_a_file_that_cannot_be_checked_counts_as_not_judged(configs_alone, monkeypatch):
    before = verify(configs_alone).num_judged
    module = sys.modules["bundle_verify.verify"]
    monkeypatch.setattr(module, "check_file", lambda source, name, configs: 1 / 0)
    report = verify(configs_alone)
    assert {one.message for one in report.not_judged} == {"cannot be checked (ZeroDivisionError: division by zero)"}
    assert report.num_judged == 0
    assert before > 100
    monkeypatch.undo()
    monkeypatch.setattr(module, "check_targets", lambda *arguments: 1 / 0)
    report = verify(configs_alone)
    assert [one.file for one in report.not_judged] == ["configs"]
    assert 0 < report.num_judged < before // 2
