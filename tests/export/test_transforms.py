"""A bundle's transforms around an exported file give what the bundle's run writes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import CovariateScaler
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.export.export_bundle import FIXED
from brain_bundles.phantom import write_phantoms
from brain_bundles.utils import generator_for
from monai.transforms import Compose

from .conftest import TINY, load_file

GENERATOR, SLICES, ADAPTIVE, _ = TINY  # a segmenter with random weights finds no head: test_inference.py of its bundle


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """A T1w phantom of 6 mm, turned and oblique."""
    folder = tmp_path_factory.mktemp("scan")
    write_phantoms(folder / "data", num_subjects=1, suffixes=["T1w"], spacing=6.0, spatial_size=(32, 36, 30), seed=5)
    image = nib.load(folder / "data" / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz")
    turned = image.as_reoriented(nib.orientations.axcodes2ornt(("P", "I", "R")))
    affine = turned.affine.copy()
    affine[:3, :3] = np.array([[1, -0.1, 0], [0.1, 1, 0], [0, 0, 1]]) @ affine[:3, :3]
    nib.save(nib.Nifti1Image(turned.get_fdata().astype(np.float32), affine), folder / "anna_T1w.nii.gz")
    return folder / "anna_T1w.nii.gz"


def run_of(bundle, folder: Path, **options) -> tuple[np.ndarray, np.ndarray, dict]:
    """Voxels, affine and row of the one image that a run writes, in fp32."""
    fixed = {key: value for key, value in FIXED.items() if key in bundle.keys}
    output = bundle.run(folder, **fixed, **options)
    (row,) = output.rows
    image = nib.load(output.path(row if "target" in row else row["participant_id"]))
    return image.get_fdata(), image.affine, row


@pytest.mark.parametrize("name", [SLICES, ADAPTIVE])
def test_a_translation(tiny, exported, scan, tmp_path, name):
    bundle, (path, about) = tiny(name), exported(name, "ts")
    targets = bundle.target_option("T2w")
    expected, affine, row = run_of(bundle, tmp_path / "out", input=str(scan), dataset_dir=None, source="T1w", **targets)

    before, after = bundle.transforms()
    assert isinstance(before, Compose)
    assert isinstance(after, Compose)
    item = before({"image": str(scan)})
    noise = torch.randn(about["inputs"]["noise"]["shape"], generator=generator_for(row["seed"], "noise"))
    inputs = {"image": item["image"].as_tensor()[None], "noise": noise}
    if name == ADAPTIVE:
        inputs = {**inputs, "target": torch.tensor([about["contrasts"].index("T2w")])}
    made = load_file(path)({key: inputs[key] for key in about["inputs"]})
    found = after({**item, "pred": made[0]})["pred"]
    assert tuple(found.shape) == (1, *expected.shape)
    np.testing.assert_allclose(found.affine, affine, atol=1e-4)
    assert expected.std() > 0.1
    beyond = np.abs(found[0].numpy() - expected) > 1e-4  # int16 in the file: 2e-5
    assert beyond.mean() <= (0.01 if name == ADAPTIVE else 0)  # ties of the quantiser

    held = nib.load(scan)
    memory = before({"image": ArrayImage(held.get_fdata(dtype=np.float32), held.affine)})
    assert torch.equal(memory["image"].as_tensor(), item["image"].as_tensor())
    assert torch.equal(after({**memory, "pred": made[0]})["pred"].as_tensor(), found.as_tensor())


def test_a_generated_brain(tiny, exported, tmp_path):
    bundle, (path, about) = tiny(GENERATOR), exported(GENERATOR, "ts")
    person = {"age": 71.0, "sex": "F", "ventricular_volume": 40.0, "brain_volume": 1000.0}
    expected, affine, row = run_of(bundle, tmp_path / "out", num_samples=1, **person)
    before, after = bundle.transforms()
    assert isinstance(before, Compose)
    context = before(person)["context"]
    assert torch.equal(context, CovariateScaler(about["bounds"]).encode(person)[None])
    noise = torch.randn(about["inputs"]["noise"]["shape"], generator=generator_for(row["seed"], "noise"))
    made = load_file(path)({"context": context[None], "noise": noise})
    found = after({"pred": made[0]})["pred"]
    np.testing.assert_allclose(found.affine, affine, atol=1e-4)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-4)
    assert expected.std() > 0.1
