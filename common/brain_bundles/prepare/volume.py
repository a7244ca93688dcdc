"""A volume with its place in the world, read from a file and exchanged with SimpleITK.

Arrays are (D, H, W). Affines lead from voxels to RAS+ mm, as in NIfTI. SimpleITK's arrays are the reverse, (W, H, D),
and its world is LPS+ mm; this module alone knows that.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from brain_bundles.data.read_image import read_values
from brain_bundles.prepare.extra import from_prepare_extra

sitk = from_prepare_extra("SimpleITK")
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """A 3D image.

    Attributes:
        data: (D, H, W) float32.
        affine: (4, 4) float64, voxel to RAS+ mm.
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size along each axis, mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    def with_data(self, data: NDArray[Any]) -> Volume:
        """Another image on the same grid."""
        return Volume(np.ascontiguousarray(data, dtype=np.float32), self.affine)

    def same_grid(self, other: Volume, tolerance: float = 1e-3) -> bool:
        """Return True if shape and affine are equal within ``tolerance`` (mm)."""
        return self.data.shape == other.data.shape and np.allclose(self.affine, other.affine, rtol=0, atol=tolerance)


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """Read a 3D image file; further axes of length 1 are dropped.

    NIfTI goes through :func:`~brain_bundles.data.read_image.read_values`; nibabel reads Analyze and other formats.

    Raises:
        ValueError: if the image is not 3D.
    """
    if re.search(r"\.nii(\.gz)?$", os.fspath(path), re.IGNORECASE):
        found = read_values(path)
        return Volume(found.voxels, found.affine)
    image = nib.loadsave.load(path)
    assert isinstance(image, SpatialImage)
    data = np.asarray(image.dataobj, dtype=np.float32)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise ValueError(f"{path}: shape {data.shape}, expected a 3D image.")
    return Volume(data, np.asarray(image.affine, dtype=np.float64))


def reorient(volume: Volume) -> tuple[Volume, str]:
    """Turn the axes to RAS without interpolation; also the axes of before, such as "LPS"."""
    before = "".join(nib.orientations.aff2axcodes(volume.affine))
    image = nib.nifti1.Nifti1Image(volume.data, volume.affine)
    turned = nib.funcs.as_closest_canonical(image)
    return Volume(np.ascontiguousarray(turned.dataobj, dtype=np.float32), np.asarray(turned.affine)), before


def to_sitk(volume: Volume) -> Any:
    """A SimpleITK image of the volume. A sheared affine loses its shear: SimpleITK has none."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    spacing = volume.spacing
    u, _, vt = np.linalg.svd(_RAS_TO_LPS @ (volume.affine[:3, :3] / spacing))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((u @ vt).ravel().tolist())  # the nearest rotation: headers are rounded
    image.SetOrigin((_RAS_TO_LPS @ volume.affine[:3, 3]).tolist())
    return image


def from_sitk(image: Any) -> Volume:
    """The volume of a SimpleITK image."""
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = _RAS_TO_LPS @ direction * np.array(image.GetSpacing())
    affine[:3, 3] = _RAS_TO_LPS @ np.array(image.GetOrigin())
    return Volume(np.ascontiguousarray(sitk.GetArrayFromImage(image).transpose(2, 1, 0), dtype=np.float32), affine)


def to_lps(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """A (4, 4) transform of RAS+ mm as one of LPS+ mm, or the reverse."""
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    return flip @ matrix @ flip
