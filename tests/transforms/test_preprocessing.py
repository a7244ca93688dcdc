"""Preprocessing of a file and its inverse, on a smooth head-like object in any orientation."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.transforms import image_preprocessing, invert_preprocessing
from monai.bundle import ConfigParser
from monai.data import DataLoader, Dataset, decollate_batch
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat

SIZE, SPACING = (24, 28, 24), 4.0
CENTRE = np.array([10.0, -6.0, 14.0])


def brain(world: np.ndarray) -> np.ndarray:
    """Brightness at world positions (mm): an ellipsoid of 35 x 45 x 35 mm half-axes, brighter to the right and top."""
    r = np.linalg.norm((world - CENTRE) / [35, 45, 35], axis=-1)
    shade = 600 + 4 * (world - CENTRE)[..., 0] + 2 * (world - CENTRE)[..., 2]
    return np.where(r < 1, shade * np.clip(8 * (1 - r), 0, 1), 0)


def save(path: Path, affine: np.ndarray, shape: tuple[int, ...], gain: float = 1.0) -> str:
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    nib.save(nib.Nifti1Image((gain * brain(apply_affine(affine, grid))).astype(np.float32), affine), path)
    return str(path)


def centred(matrix: np.ndarray, shape: tuple[int, ...], shift=(3.0, 2.0, -4.0)) -> np.ndarray:
    """Affine of a grid with the brain ``shift`` mm from its centre."""
    return from_matvec(matrix, CENTRE + shift - matrix @ ((np.array(shape) - 1) / 2))


GRIDS = {
    "RAS": (np.diag([2.0, 2.0, 2.0]), (50, 56, 52)),
    "LPS": (np.diag([-2.0, -2.0, 2.0]), (50, 56, 52)),
    "PIR": (np.array([[0, 0, 3.0], [-2, 0, 0], [0, -2.5, 0]]), (60, 40, 34)),
    "oblique": (euler2mat(0.2, -0.1, 0.15) @ np.diag([2.0, 1.5, 2.5]), (56, 80, 46)),
    "too small for the grid": (np.diag([2.0, 2.0, 2.0]), (40, 48, 40)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_orientation_arrives_at_the_same_volume_and_goes_back(tmp_path, name):
    matrix, shape = GRIDS[name]
    path = save(tmp_path / "a.nii.gz", centred(matrix, shape), shape)
    preprocessing = image_preprocessing("image", SPACING, SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = preprocessing({"image": path})
    image = out["image"]
    assert image.shape == (1, *SIZE)
    assert image.dtype == torch.float32
    assert float(image.min()) == 0
    assert 0.5 < float(image.max()) < 1
    clipped = image_preprocessing("image", SPACING, SIZE, intensity_scale="percentiles")({"image": path})["image"]
    assert (float(clipped.min()), float(clipped.max())) == (0.0, 1.0)
    # The grid is centred on the brain to half a voxel, and one more where the box' ends fall between voxels.
    middle = apply_affine(image.affine.numpy(), (np.array(SIZE) - 1) / 2)
    assert np.abs(middle - CENTRE).max() <= SPACING
    # Each voxel has the value of the object at its place; linear interpolation between 2 mm voxels rounds the rim.
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij"), axis=-1)
    truth = brain(apply_affine(image.affine.numpy(), grid))
    assert np.corrcoef(truth.ravel(), image[0].numpy().ravel())[0, 1] > 0.99
    assert image[0, 17, 14, 12] > image[0, 6, 14, 12]  # right is brighter

    source = nib.load(path)
    out["pred"] = image.as_tensor().clone()  # a network's output knows nothing of files
    back = invert_preprocessing(preprocessing)(out)["pred"]
    assert tuple(back.shape) == (1, *source.shape)
    np.testing.assert_allclose(back.affine.numpy(), source.affine, atol=1e-5)
    assert np.corrcoef(source.get_fdata().ravel(), back[0].numpy().ravel())[0, 1] > 0.985  # twice interpolated at 4 mm


def test_flips_are_exact(tmp_path):
    """RAS and LPS files of one object differ in the order of voxels only."""
    shape = (50, 56, 52)
    made = [
        image_preprocessing("image", SPACING, SIZE)(
            {"image": save(tmp_path / f"{n}.nii.gz", centred(GRIDS[n][0], shape), shape)}
        )
        for n in ("RAS", "LPS")
    ]
    torch.testing.assert_close(made[0]["image"].as_tensor(), made[1]["image"].as_tensor(), rtol=0, atol=1e-5)


def test_a_volume_on_the_grid_is_only_scaled(tmp_path):
    affine = centred(np.diag([SPACING] * 3), SIZE, shift=(0, 0, 0))
    path = save(tmp_path / "a.nii.gz", affine, SIZE)
    image = image_preprocessing("image", SPACING, SIZE, intensity_scale="percentiles", intensity_percentiles=(0, 100))(
        {"image": path}
    )["image"]
    values = nib.load(path).get_fdata()
    low, high = values[values != 0].min(), values.max()
    np.testing.assert_allclose(image[0].numpy(), np.where(values != 0, (values - low) / (high - low), 0), atol=1e-6)
    np.testing.assert_allclose(image.affine.numpy(), affine)


def test_contrasts_on_other_grids_are_brought_to_the_first(tmp_path):
    first = save(tmp_path / "a.nii.gz", centred(*GRIDS["LPS"]), GRIDS["LPS"][1])
    second = save(tmp_path / "b.nii.gz", centred(*GRIDS["oblique"], shift=(-5.0, 0, 0)), GRIDS["oblique"][1], gain=3.0)
    preprocessing = image_preprocessing(["T1w", "FLAIR"], SPACING, SIZE)
    out = preprocessing({"T1w": first, "FLAIR": second})
    np.testing.assert_allclose(out["T1w"].affine.numpy(), out["FLAIR"].affine.numpy(), atol=1e-6)
    assert np.corrcoef(out["T1w"].numpy().ravel(), out["FLAIR"].numpy().ravel())[0, 1] > 0.99
    out["pred"] = out["T1w"].as_tensor().clone()
    back = invert_preprocessing(preprocessing, "pred", "FLAIR")(out)["pred"]
    np.testing.assert_allclose(back.affine.numpy(), nib.load(second).affine, atol=1e-5)
    assert tuple(back.shape[1:]) == GRIDS["oblique"][1]


def test_batches_and_worker_processes_keep_the_way_back(tmp_path):
    path = save(tmp_path / "a.nii.gz", centred(*GRIDS["PIR"]), GRIDS["PIR"][1])
    preprocessing = image_preprocessing("image", SPACING, SIZE)
    loader = DataLoader(Dataset([{"image": path}] * 2, preprocessing), batch_size=2, num_workers=1)
    batch = next(iter(loader))
    batch["pred"] = batch["image"] * 1
    for item in decollate_batch(batch):
        assert tuple(invert_preprocessing(preprocessing)(item)["pred"].shape[1:]) == GRIDS["PIR"][1]


def test_it_is_one_entry_of_a_config(tmp_path):
    path = save(tmp_path / "a.nii.gz", centred(*GRIDS["RAS"]), GRIDS["RAS"][1])
    config = {
        "spacing": SPACING,
        "spatial_size": list(SIZE),
        "preprocessing": {
            "_target_": "brain_bundles.transforms.image_preprocessing",
            "keys": ["image"],
            "spacing": "@spacing",
            "spatial_size": "@spatial_size",
        },
        "inverse": {"_target_": "brain_bundles.transforms.invert_preprocessing", "preprocessing": "@preprocessing"},
    }
    parser = ConfigParser(config)
    out = parser.get_parsed_content("preprocessing")({"image": path})
    out["pred"] = out["image"] * 1
    assert tuple(parser.get_parsed_content("inverse")(out)["pred"].shape[1:]) == GRIDS["RAS"][1]


@pytest.mark.parametrize(
    ("keys", "spacing", "message"),
    [([], 1.0, "keys is empty"), ("image", [1.0, 1.0], "one voxel size in mm or three"), ("image", 0, "spacing is 0")],
)
def test_bad_arguments(keys, spacing, message):
    with pytest.raises(ValueError, match=message):
        image_preprocessing(keys, spacing, SIZE)


def test_a_lost_way_back_is_an_error(tmp_path):
    path = save(tmp_path / "a.nii.gz", centred(*GRIDS["RAS"]), GRIDS["RAS"][1])
    preprocessing = image_preprocessing("image", SPACING, SIZE)
    out = preprocessing({"image": path})
    for lost in ({"pred": out["image"]}, {"pred": out["image"], "image": out["image"].as_tensor()}):
        with pytest.raises(ValueError, match="'image' has no record of its preprocessing"):
            invert_preprocessing(preprocessing)(lost)
