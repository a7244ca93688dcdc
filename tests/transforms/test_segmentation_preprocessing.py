"""Scans and their labels on the model's grid, from any orientation and spacing."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data.brain_classes import CLASS_INDEX, class_indices
from brain_bundles.transforms import segmentation_preprocessing
from brain_bundles.transforms.segmentation_preprocessing import AntiAliasd, MapClassesd, MaskUnseend
from monai.data import MetaTensor
from nibabel.affines import from_matvec

from ..phantom.conftest import small_head

BRIGHT = {"background": 0, "cortex": 700, "white_matter": 1000}


def save(folder, axcodes: str, zoom: float = 1.0) -> dict[str, str]:
    """A scan of the small head at 2 mm, its skull bright, and its labels, in an orientation."""
    numbers = small_head()
    indices = class_indices(numbers)
    image = np.where(numbers > 0, 400.0, 0.0)
    for name, level in BRIGHT.items():
        image[(indices == CLASS_INDEX[name]) & (numbers > 0) & (indices > 0)] = level
    paths = {}
    for key, data in (("image", image.astype(np.float32)), ("label", numbers.astype(np.int16))):
        file = nib.Nifti1Image(data, from_matvec(np.diag([2.0 * zoom] * 3), [-90.0, -100, -80]))
        turn = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(np.eye(4)), nib.orientations.axcodes2ornt(axcodes)
        )
        paths[key] = str(folder / f"{key}_{axcodes}.nii.gz")
        nib.save(file.as_reoriented(turn), paths[key])
    return paths


def test_the_orientation_of_the_file_does_not_matter(tmp_path):
    make = segmentation_preprocessing(2.0, (112, 128, 112), label_key="label")
    one, other = make(save(tmp_path, "RAS")), make(save(tmp_path, "PIL"))
    assert one["image"].shape == one["label"].shape == (1, 112, 128, 112)
    torch.testing.assert_close(one["image"].as_tensor(), other["image"].as_tensor())
    assert torch.equal(one["label"].as_tensor(), other["label"].as_tensor())
    torch.testing.assert_close(one["image"].affine, other["image"].affine)
    whole = np.bincount(class_indices(small_head()).ravel())[1:]
    assert torch.bincount(one["label"].long().flatten())[1:].tolist() == whole.tolist()


def test_the_median_of_the_head_becomes_a_half(tmp_path):
    made = segmentation_preprocessing(2.0, (112, 128, 112))(save(tmp_path, "LPS"))["image"]
    inside = made[made > 0]
    assert float(inside.median()) == pytest.approx(0.5, abs=0.08)
    assert float(made[made == 0].numel()) > 0


def test_labels_of_another_scheme(tmp_path):
    make = segmentation_preprocessing(
        2.0, (112, 128, 112), label_key="label", label_table={"lateral_ventricle": [4, 43]}
    )
    label = make(save(tmp_path, "RAS"))["label"]
    assert set(label.unique().tolist()) == {0, CLASS_INDEX["lateral_ventricle"]}


def test_what_a_field_of_view_cut_is_background_and_dark_tissue_is_not():
    image, label = torch.ones(1, 9, 9, 9), torch.full((1, 9, 9, 9), 2.0)
    image[0, :3] = 0.0
    image[0, 6, 4, 4] = 0.0
    found = MaskUnseend()({"image": image, "label": label})["label"]
    assert not found[0, :3].any()
    assert (found[0, 3:] == 2.0).all()
    assert (label == 2.0).all()  # the input is not changed


def test_finer_voxels_are_smoothed_and_coarser_ones_are_not():
    """A plane of 1 in voxels of 0.5 mm becomes a Gaussian of 1.5 voxels; along 4 mm nothing changes."""
    volume = MetaTensor(torch.zeros(1, 41, 9, 9), affine=torch.diag(torch.tensor([0.5, 4.0, 2.0, 1.0])))
    volume[0, 20] = 1.0
    found = AntiAliasd("x", 2.0)({"x": volume})["x"]
    profile = found[0, :, 4, 4].as_tensor().double()
    place = torch.arange(41.0).double() - 20
    assert float(profile.sum()) == pytest.approx(1.0, abs=1e-3)
    assert float((profile * place**2).sum()) ** 0.5 == pytest.approx(1.5, abs=0.1)
    torch.testing.assert_close(found[0, :, 0, 0].as_tensor(), found[0, :, 4, 4].as_tensor())
    assert AntiAliasd("x", 0.5)({"x": volume})["x"] is volume


def test_numbers_become_classes_and_keep_their_affine():
    volume = MetaTensor(torch.tensor([[[[17.0, 53.0, 0.0, 4.0]]]]), affine=2 * torch.eye(4))
    found = MapClassesd("x")({"x": volume})["x"]
    names = ["hippocampus", "hippocampus", "background", "lateral_ventricle"]
    assert found.flatten().tolist() == [CLASS_INDEX[name] for name in names]
    torch.testing.assert_close(found.affine, volume.affine)


def test_a_spacing_that_is_no_size_is_refused():
    with pytest.raises(ValueError, match="spacing is 0, expected one voxel size in mm"):
        segmentation_preprocessing(0, (8, 8, 8))
