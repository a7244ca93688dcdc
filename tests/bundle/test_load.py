"""The shipped bundles, called from Python."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import brain_bundles
import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import DatasetError
from brain_bundles.phantom import write_phantoms
from brain_bundles.zoo import pack
from monai.data import MetaTensor
from monai.transforms import LoadImage

BUNDLES = Path(__file__).parents[2] / "bundles"
FAST = {"num_inference_steps": 2}


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """A T1w phantom on an oblique grid, turned and with voxels of two sizes."""
    folder = tmp_path_factory.mktemp("scan")
    write_phantoms(folder / "data", num_subjects=1, suffixes=["T1w"], spacing=3.0, spatial_size=(64, 72, 60), seed=5)
    image = nib.load(folder / "data" / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz")
    turned = image.as_reoriented(nib.orientations.axcodes2ornt(("P", "I", "R")))
    affine = turned.affine.copy()
    affine[:3, :3] = np.array([[1, -0.1, 0], [0.1, 1, 0], [0, 0, 1]]) @ affine[:3, :3]
    path = folder / "anna_T1w.nii.gz"
    nib.save(nib.Nifti1Image(turned.get_fdata().astype(np.float32), affine), path)
    return path


@pytest.fixture(scope="module")
def generator():
    return brain_bundles.load(BUNDLES / "brain_mri_generator", device="cpu")


@pytest.fixture(scope="module")
def translator():
    return brain_bundles.load(BUNDLES / "brain_mri_adaptive_translator", device="cpu")


def test_brains_are_those_of_the_command(generator, tmp_path):
    seen: list[tuple[int, int]] = []
    asked = {"age": 80, "sex": "F", "ventricular_volume": 40, "seed": 3, **FAST}
    (brain,) = generator.generate(**asked, output_dir=tmp_path / "ours", progress=lambda *now: seen.append(now))
    assert seen == [(0, 1), (1, 1)]
    assert (brain.age, brain.sex, brain.ventricular_volume) == (80, "F", 40)
    assert 850 < brain.brain_volume < 1550
    assert "tensor" not in repr(brain)
    options = {**asked, "num_samples": 1, "device": "cpu"}
    root = generator.root
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(root / "configs" / "inference.json")]
    command += ["--bundle_root", str(root), "--output_dir", str(tmp_path / "command")]
    command += [str(word) for key, value in options.items() for word in (f"--{key}", value)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    name = "sub-0001/anat/sub-0001_T1w.nii.gz"
    assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
    file = nib.load(tmp_path / "ours" / name)
    assert np.array_equal(brain.image[0].numpy(), file.get_fdata(dtype=np.float32))
    assert np.allclose(brain.image.affine, file.affine)


def test_a_table_of_conditions_makes_a_brain_for_each_row(generator, tmp_path):
    (tmp_path / "table.tsv").write_text("participant_id\tage\tsex\nsub-a\t50\tM\nsub-b\t70\tF\n")
    brains = generator.generate(conditions=tmp_path / "table.tsv", **FAST)
    assert [(one.participant_id, one.age, one.sex) for one in brains] == [("sub-a", 50, "M"), ("sub-b", 70, "F")]
    assert not torch.equal(brains[0].image, brains[1].image)


def test_a_scan_is_translated_on_its_own_grid_from_a_file_and_from_memory(translator, scan, tmp_path):
    found = translator.translate(scan, "T1w", ["T2w", "FLAIR"], output_dir=tmp_path / "kept")
    file = nib.load(scan)
    assert list(found) == ["T2w", "FLAIR"]
    for target, image in found.items():
        assert image.shape == (1, *file.shape)
        assert np.allclose(image.affine, file.affine, atol=1e-4)
        kept = nib.load(tmp_path / "kept" / f"anna_T1w_{target}.nii.gz")
        assert np.array_equal(image[0].numpy(), kept.get_fdata(dtype=np.float32))
    assert float((found["T2w"] - found["FLAIR"]).abs().max()) > 0.1
    in_memory = LoadImage(image_only=True, ensure_channel_first=True)(scan)
    again = translator.translate(in_memory, "T1w", ["T2w", "FLAIR"])
    assert all(torch.equal(again[target], found[target]) for target in found)
    assert np.array_equal(in_memory[0].numpy(), file.get_fdata(dtype=np.float32))  # as it was


def test_the_spread_of_several_draws_is_given_beside_their_mean(scan):
    slices = brain_bundles.load(BUNDLES / "brain_mri_slice2volume_translator", device="cpu", num_inference_steps=1)
    with pytest.raises(ValueError, match="which these weights have for num_inference_steps 10, not for 1"):
        slices.translate(scan, targets=["T2w"], num_draws=2)
    found = slices.translate(scan, targets=["T2w"], num_draws=2, spread=None)  # without the calibration
    assert list(found) == ["T2w", "T2w_std"]
    assert 0 < float(found["T2w_std"].mean()) < float(found["T2w"].mean())
    with pytest.raises(ValueError, match=r"targets is \['T2w', 'FLAIR'\]; brain_mri_slice2volume_translator makes one"):
        slices.translate(scan, targets=["T2w", "FLAIR"])


def test_a_zip_is_called_like_a_folder(generator, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (path,) = pack(tmp_path, bundles_dir=BUNDLES, bundles=["brain_mri_generator"], index=tmp_path / "index.json")
    zipped = brain_bundles.load(path, device="cpu")
    asked = {"age": 60, "sex": "M", "ventricular_volume": 20, "brain_volume": 1100, **FAST}
    (one,), (other,) = zipped.generate(**asked), generator.generate(**asked)
    assert torch.equal(one.image, other.image)


def test_a_process_stays_as_it_was(generator):
    path, level = list(sys.path), logging.getLogger().level
    handlers = list(logging.getLogger().handlers)
    generator.generate(**FAST)
    assert (sys.path, logging.getLogger().level, logging.getLogger().handlers) == (path, level, handlers)


def test_parts_of_a_config_are_made_without_a_run(generator):
    path = list(sys.path)
    network, spacing = generator.content("network_def", "spacing")
    assert type(network).__name__ == "ConditionedDiffusionUNet"
    assert spacing == 2.0
    before, after = generator.transforms(
        bounds={"age": [0, 100], "ventricular_volume": [0, 100], "brain_volume": [0, 2000]}
    )
    person = {"age": 50, "sex": "M", "ventricular_volume": 25, "brain_volume": 1500}
    assert before(person)["context"].tolist() == [[1.0, 0.5, 0.25, 0.75]]
    assert tuple(after({"pred": torch.ones(1, 80, 96, 80)})["pred"].affine.diagonal()) == (2, 2, 2, 1)
    assert sys.path == path
    with pytest.raises(ValueError, match="no option 'bound'; did you mean bounds"):
        generator.content("network_def", bound=3)


def test_overlays_go_over_the_inference(tmp_path):
    """Those of the bundle, with or without their ending."""
    for name in ("few_steps", "few_steps.json"):
        quick = brain_bundles.load(BUNDLES / "brain_mri_generator", overlays=[name], device="cpu")
        assert quick.content("num_inference_steps") == [4]
        assert quick.options == {"device": torch.device("cpu")}
    own = tmp_path / "own.json"
    own.write_text('{"num_samples": 3}')
    assert brain_bundles.load(BUNDLES / "brain_mri_generator", overlays=[str(own)]).content("num_samples") == [3]
    with pytest.raises(ValueError, match=r"has no config few_step\.json; did you mean few_steps\?"):
        brain_bundles.load(BUNDLES / "brain_mri_generator", overlays=["few_step"])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda g, t, s: g.generate(agee=3), ValueError, "no option 'agee'; did you mean age"),
        (lambda g, t, s: g.generate(age=-3), ValueError, "age is -3, possible are 0 to 130 years"),
        (lambda g, t, s: g.generate(conditions="no.tsv"), FileNotFoundError, "no.tsv"),
        (lambda g, t, s: g.generate(ckpt_dir="nowhere"), FileNotFoundError, "nowhere/autoencoder.pt does not exist"),
        (lambda g, t, s: t.translate("no.nii.gz", "T1w", "T2w"), DatasetError, "(?s)missing image.*no.nii.gz"),
        (lambda g, t, s: t.translate(s, "T1w", "DWI"), ValueError, "unknown contrast 'DWI'; this model knows T1w"),
        (lambda g, t, s: t.translate(torch.zeros(9, 9, 9)), ValueError, "must be a monai.data.MetaTensor"),
        (lambda g, t, s: t.translate(MetaTensor(torch.zeros(2, 9, 9, 9))), ValueError, r"shape \(2, 9, 9, 9\), exp"),
        (lambda g, t, s: t.translate(MetaTensor(torch.zeros(9, 9, 9))), DatasetError, "every voxel is 0"),
    ],
)
def test_errors_are_those_of_the_cause(generator, translator, scan, call, kind, message):
    with pytest.raises(kind, match=message) as caught:
        call(generator, translator, scan)
    assert "Failed to instantiate" not in str(caught.value)


def test_a_bundle_of_others_is_refused(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "inference.json").write_text('{"network": null}')
    (tmp_path / "configs" / "metadata.json").write_text('{"version": "1.0"}')
    with pytest.raises(ValueError, match="is no bundle of this collection: its inference has none of conditions"):
        brain_bundles.load(tmp_path)
