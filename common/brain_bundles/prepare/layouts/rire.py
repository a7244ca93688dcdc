"""RIRE: patient_001/mr_T1 with header.ascii and image.bin, or with a MetaImage header (.mhd) and its raw image."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import nibabel as nib
import numpy as np

from brain_bundles.prepare.layouts.files import walk
from brain_bundles.prepare.scans import Download, Scan, label
from brain_bundles.prepare.volume import from_sitk, sitk

_PATIENT = re.compile(r"(patient|training)_\d{3}$")
# Folder of a contrast; the rectified ones are the same scans, corrected for distortion, and come first.
_CONTRASTS = {"mr_T1": "T1w", "mr_T2": "T2w", "mr_PD": "PDw", "mr_MP-RAGE": "T1w"}


def matches(root: Path) -> bool:
    """True if there is a patient's folder with an MR folder."""
    return any(_PATIENT.match(path.parent.name) and path.name.startswith("mr_") for path in _folders(root))


def read(root: Path, work_dir: Path) -> Download:
    """Read the MR images; CT and PET are left out. A rectified image is preferred to its distorted one."""
    download = Download()
    for folder in _folders(root):
        patient = folder.parent.name
        if not _PATIENT.match(patient):
            continue
        contrast = _CONTRASTS.get(folder.name.removesuffix("_rectified"))
        if contrast is None:
            download.left_out.append(("not a contrast for these models", str(folder)))
            continue
        headers = [path for path in walk(folder) if path.suffix == ".mhd" or path.name == "header.ascii"]
        if not headers:
            download.left_out.append(("no header", str(folder)))
            continue
        rank = {} if folder.name.endswith("_rectified") else {"rec": "distorted"}
        if "MP-RAGE" in folder.name:
            rank["acq"] = "MPRAGE"
        fetch = functools.partial(converted, headers[0])
        download.scans.append(Scan(f"sub-{label(patient)}", None, contrast, headers[0], fetch, rank))
    return download


def converted(header: Path, scratch: Path) -> Path:
    """The image as NIfTI.

    Raises:
        ValueError: if the header lacks a value, or the raw image has another size.
    """
    target = scratch / f"{header.parent.parent.name}_{header.parent.name}.nii.gz"
    if header.suffix == ".mhd":
        volume = from_sitk(sitk.ReadImage(str(header), sitk.sitkFloat32))
        data, affine = volume.data, volume.affine
    else:
        data, affine = read_ascii(header)
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, affine), target)
    return target


def read_ascii(header: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine of header.ascii and image.bin: 16 bits, the high byte first, axial slices.

    Rows run to the patient's left and columns to the back, as on film. Slices run upwards.
    """
    entries = {}
    for line in header.read_text(encoding="latin-1").splitlines():
        name, found, value = line.partition(":=")
        if found:
            entries[re.sub(r"[^a-z]", "", name.lower())] = value.strip()
    try:
        columns, rows = int(entries["columns"]), int(entries["rows"])
        slices = int(entries.get("slices") or entries["numberofslices"])
        pixel = [float(mm) for mm in re.findall(r"[\d.]+", entries["pixelsize"])]
        thickness = float(entries["slicethickness"].split()[0])
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"{header}: no usable value of {error}; it has {', '.join(entries)}.") from None
    raw = header.with_name("image.bin")
    if not raw.is_file():
        raise ValueError(f"{raw}: no such file; unpack image.bin.Z first.")
    data = np.fromfile(raw, dtype=">i2")
    if data.size != columns * rows * slices:
        raise ValueError(f"{raw}: {data.size} voxels, the header says {columns} x {rows} x {slices}.")
    data = data.reshape(slices, rows, columns).transpose(2, 1, 0)
    affine = np.diag([-pixel[0], -pixel[-1], thickness, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(data.shape) - 1) / 2)
    return data.astype(np.int16), affine


def _folders(root: Path) -> list[Path]:
    return sorted(path for pattern in ("*", "*/*", "*/*/*") for path in root.glob(pattern) if path.is_dir())
