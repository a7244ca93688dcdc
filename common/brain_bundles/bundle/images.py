"""Images of callers: files as they are, tensors as files that a run can read, and results in memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor

from brain_bundles.data.read_image import read_values

_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
Image = str | os.PathLike[str] | torch.Tensor


@contextmanager
def as_file(image: Image) -> Iterator[Path]:
    """Path of an image; a tensor is written into a folder that lives as long as the context.

    A tensor that was read from a file has the name of that file, since the noise of a translation follows from it.

    Raises:
        ValueError: for a tensor without an affine, or one that is no single volume.
    """
    if not isinstance(image, torch.Tensor):
        yield Path(image)
        return
    if not isinstance(image, MetaTensor):
        raise ValueError("an image in memory must be a monai.data.MetaTensor: a plain tensor has no affine.")
    volume = image.as_tensor().detach().cpu().float()
    volume = volume[0] if volume.ndim == 4 and len(volume) == 1 else volume
    if volume.ndim != 3:
        raise ValueError(f"an image has shape {tuple(image.shape)}, expected (D, H, W) or (1, D, H, W).")
    name = _ENDING.sub("", Path(str(image.meta.get("filename_or_obj", "image"))).name)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(volume.numpy(), np.asarray(image.affine, dtype=np.float64)), path)
        yield path


def read_result(path: Path) -> MetaTensor:
    """A written image as (1, D, H, W) float32, with its affine, and its path under ``filename_or_obj``."""
    found = read_values(path)
    return MetaTensor(
        torch.from_numpy(found.voxels.copy())[None],
        affine=torch.from_numpy(found.affine),
        meta={"filename_or_obj": str(path), "space": "RAS"},
    )


@contextmanager
def folder_or_temporary(output_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The folder of a caller, or one that lives as long as the context."""
    if output_dir is not None:
        yield Path(output_dir)
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)
