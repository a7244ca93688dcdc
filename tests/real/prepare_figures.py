"""Figures of ``prepare`` on real scans: masks, registrations and edges, against what is known.

Usage: prepare_figures.py REAL PREPARED
REAL has t1_flair and clinical; PREPARED has what ``python -m brain_bundles prepare`` made of them, of those names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from brain_bundles.prepare.registration import displacement, register
from brain_bundles.prepare.resample import resample
from brain_bundles.prepare.volume import Volume, read_volume
from scipy import ndimage


def grown(mask: Volume, mm: float = 4.0) -> np.ndarray:
    return ndimage.distance_transform_edt(mask.data < 0.5, sampling=mask.spacing) <= mm


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def t1_flair(real: Path, prepared: Path, person: str) -> dict[str, float]:
    """Dice of the mask, and distance of FLAIR from where the ready-made pair has it, mm over the brain.

    The ready-made images lie elsewhere in the world. So the ready-made T1w is registered to the raw T1w, of which it is
    a resampled copy, and the ready-made FLAIR to the raw FLAIR. The residual of that is what the two T1w images differ
    by after the registration, as the shift that a second, independent registration finds.
    """
    ready = real / "t1_flair" / "derivatives" / "preproc" / person / "anat"
    t1, flair = (read_volume(ready / f"{person}_{name}.nii.gz") for name in ("T1w", "FLAIR"))
    mask = read_volume(ready / f"{person}_desc-brain_mask.nii.gz")
    raw_t1, raw_flair = (
        read_volume(real / "t1_flair" / person / "anat" / f"{person}_{name}.nii.gz") for name in ("T1w", "FLAIR")
    )
    made = read_volume(prepared / "t1_flair" / person / "anat" / f"{person}_desc-brain_mask.nii.gz")
    inside = mask.data > 0.5
    to_raw_t1 = register(t1, raw_t1, grown(mask)).matrix
    to_raw_flair = register(flair, raw_flair, grown(mask)).matrix
    carried = resample(raw_t1, t1, to_raw_t1)
    residual = displacement(register(t1, carried, grown(mask)).matrix, inside, t1.affine)
    ours = resample(made, t1, to_raw_t1, smooth=False).data > 0.5
    sidecar = json.loads((prepared / "t1_flair" / person / "anat" / f"{person}_FLAIR.json").read_text())
    (step,) = [one for one in sidecar["Steps"] if one["Step"] == "registration"]
    difference = np.linalg.inv(np.array(step["Matrix"]) @ to_raw_t1) @ to_raw_flair
    return {
        "residual_mm": residual,
        "correlation": float(np.corrcoef(carried.data[inside], t1.data[inside])[0, 1]),
        "dice": dice(ours, inside),
        "mask_ml": float(made.data.sum()) * made.voxel_ml,
        "reference_ml": float(mask.data.sum()) * mask.voxel_ml,
        "flair_mm": displacement(difference, inside, t1.affine),
    }


def edges(volume: Volume, inside: np.ndarray) -> np.ndarray:
    """Length of the gradient at 2 mm, its upper fifth in the brain as 1."""
    sigma = 2.0 / 2.355 / volume.spacing
    gradient = ndimage.gaussian_gradient_magnitude(volume.data, sigma)
    return gradient > np.percentile(gradient[inside], 80)


def agreement(one: Volume, other: Volume, inside: np.ndarray) -> float:
    """Dice of the strong edges of two images on one grid, within the brain."""
    return dice(edges(one, inside) & inside, edges(other, inside) & inside)


def clinical(real: Path, prepared: Path) -> list[tuple[str, float, float]]:
    """Agreement of edges before (by the scanner's coordinates) and after, between contrasts and between visits."""
    folder = prepared / "clinical" / "sub-01"
    rows = []
    after, before, masks = {}, {}, {}
    for session in ("ses-1", "ses-2"):
        anat = folder / session / "anat"
        masks[session] = read_volume(anat / f"sub-01_{session}_desc-brain_mask.nii.gz")
        grid = masks[session]
        sidecar = json.loads((anat / f"sub-01_{session}_T1w.json").read_text())
        to_first = [np.array(s["Matrix"]) for s in sidecar["Steps"] if s["Step"] == "registration"]
        back = np.linalg.inv(to_first[0]) if to_first else np.eye(4)
        for name in ("T1w", "T2w", "FLAIR"):
            after[session, name] = read_volume(anat / f"sub-01_{session}_{name}.nii.gz")
            raw = read_volume(real / "clinical" / "sub-01" / session / "anat" / f"sub-01_{session}_{name}.nii.gz")
            before[session, name] = resample(raw, grid, back)
            before[session, name, "world"] = resample(raw, masks["ses-1"], np.eye(4))
    inner = {key: ndimage.binary_erosion(mask.data > 0.5, iterations=3) for key, mask in masks.items()}
    for session in ("ses-1", "ses-2"):
        for name in ("T2w", "FLAIR"):
            pair = (session, "T1w"), (session, name)
            values = [agreement(images[pair[0]], images[pair[1]], inner[session]) for images in (before, after)]
            rows.append((f"{session}: T1w and {name}", *values))
    for name in ("T1w", "T2w", "FLAIR"):
        grid = masks["ses-1"]
        moved = resample(after["ses-2", name], grid, np.eye(4))
        seen = inner["ses-1"] & (moved.data > 0)
        pairs = [(after["ses-1", name], other) for other in (before["ses-2", name, "world"], moved)]
        rows.append((f"{name}: two visits", *(agreement(one, other, seen) for one, other in pairs)))
    return rows


def main() -> None:
    real, prepared = Path(sys.argv[1]), Path(sys.argv[2])
    if (prepared / "clinical").is_dir():
        print("edges that agree (Dice)\tbefore\tafter")
        for name, *values in clinical(real, prepared):
            print(name, *(f"{value:.3f}" for value in values), sep="\t", flush=True)
    people = sorted(path.name for path in (prepared / "t1_flair").glob("sub-*"))
    found = []
    for person in people:
        found.append(t1_flair(real, prepared, person))
        print(person, *(f"{key} {value:.3f}" for key, value in found[-1].items()), sep="\t", flush=True)
    for key in found[0] if found else ():
        values = [row[key] for row in found]
        print(f"{key}: mean {np.mean(values):.3f}, from {min(values):.3f} to {max(values):.3f}, {len(values)} people")


if __name__ == "__main__":
    main()
