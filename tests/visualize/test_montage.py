import builtins

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.visualize import plane_image, save_montage
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

pytest.importorskip("matplotlib")


def marked(corner: tuple[int, int, int]) -> np.ndarray:
    """Black (6, 8, 10) volume with one white voxel."""
    volume = np.zeros((6, 8, 10), dtype=np.float32)
    volume[corner] = 1.0
    return volume


@pytest.mark.parametrize(
    ("plane", "axis", "corner", "row", "column"),
    [
        # (right, front, top) voxel of the slice: where it must stand in the picture
        ("axial", 2, (5, 7, 4), 0, 0),  # right anterior: top left
        ("axial", 2, (0, 0, 4), 7, 5),  # left posterior: bottom right
        ("coronal", 1, (5, 3, 9), 0, 0),  # right superior: top left
        ("coronal", 1, (0, 3, 0), 9, 5),  # left inferior: bottom right
        ("sagittal", 0, (2, 7, 9), 0, 0),  # anterior superior: top left
        ("sagittal", 0, (2, 0, 0), 9, 7),  # posterior inferior: bottom right
    ],
)
def test_planes_are_radiological_with_anterior_and_superior_up(plane, axis, corner, row, column):
    picture = plane_image(marked(corner), plane, corner[axis])
    assert picture.sum() == 1
    assert picture[row, column] == 1


def test_axial_plane_agrees_with_nibabel_reoriented_to_radiological_rows():
    """An axial picture (rows, columns) of an RAS volume is the volume in axes P (down), L (to the right)."""
    rng = np.random.default_rng(0)
    volume = rng.random((6, 8, 10)).astype(np.float32)
    image = nib.Nifti1Image(volume, np.eye(4))
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt("LPS")))
    np.testing.assert_array_equal(plane_image(volume, "axial", 3), turned.get_fdata(dtype=np.float32)[:, :, 3].T)


def picture_of(path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


def test_voxels_are_not_stretched(tmp_path):
    """A white volume of 60 x 80 x 40 voxels of (2, 2, 4) mm is 120 x 160 x 160 mm: every view has that ratio."""
    path = save_montage(tmp_path / "a.png", [np.ones((60, 80, 40))], spacing=(2, 2, 4), dpi=200)
    white = (picture_of(path).min(-1) > 0.99)[100:]  # below the title
    columns = np.flatnonzero(white.sum(0) > 20)
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 3) + 1)
    sizes = [(int(np.ptp(np.flatnonzero(white[:, part].sum(1) > 20))) + 1, len(part)) for part in parts]
    assert len(sizes) == 3
    for (height, width), (mm_high, mm_wide) in zip(sizes, [(160, 120), (160, 120), (160, 160)], strict=True):
        assert height / width == pytest.approx(mm_high / mm_wide, rel=0.03)  # one pixel of about 150


def test_every_volume_is_shown_and_batches_of_tensors_are_taken(tmp_path):
    path = save_montage(tmp_path / "deep" / "a.png", torch.rand(7, 6, 8, 10), [f"age {i}" for i in range(7)], title="x")
    assert picture_of(path).shape[0] > 300
    assert [item.name for item in path.parent.iterdir()] == ["a.png"]


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="no volumes to show"):
        save_montage(tmp_path / "a.png", [])
    with pytest.raises(ValueError, match=r"must be \(D, H, W\), got \(1, 4, 4, 4\)"):
        save_montage(tmp_path / "a.png", torch.zeros(2, 1, 4, 4, 4))
    with pytest.raises(ValueError, match="1 labels for 2 volumes"):
        save_montage(tmp_path / "a.png", torch.zeros(2, 4, 4, 4), ["one"])


def test_missing_matplotlib_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        save_montage(tmp_path / "a.png", [np.zeros((4, 4, 4))])


def test_volumes_may_have_voxel_sizes_of_their_own(tmp_path):
    volumes = [np.ones((6, 8, 10)), np.ones((6, 8, 5))]
    own = picture_of(save_montage(tmp_path / "a.png", volumes, spacing=[(2, 2, 2), (2, 2, 4)], columns=1))
    one = picture_of(save_montage(tmp_path / "b.png", volumes, spacing=(2, 2, 2), columns=1))
    first, alike = (picture[: own.shape[0] // 2] for picture in (own, one))
    np.testing.assert_array_equal(first, alike)  # the first volume is drawn the same, the second one is not
    assert (own != one).any()
