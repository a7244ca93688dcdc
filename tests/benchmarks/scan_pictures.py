"""Pictures of acquisitions for docs/images: varied and random scans of one head, and each artefact with its settings.

python tests/benchmarks/scan_pictures.py ANATOMIES OUTPUT_DIR
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from brain_bundles.phantom.heads import HeadOptions, HeadSubject, Person, find_label_maps, render_subject
from brain_bundles.phantom.scanner import (
    Acquisition,
    BiasField,
    Blur,
    BrainMask,
    FieldOfView,
    Gamma,
    Ghosting,
    Gibbs,
    Motion,
    Noise,
    Scan,
    SignalLevels,
    ThickSlices,
    acquisition_of,
)

MASK = {"margin_mm": 0.0, "roughness_mm": 0.0, "without_csf": False}
ARTEFACTS: tuple[tuple[str, Mapping[str, Mapping[str, Any]]], ...] = (
    ("none", {}),
    ("bias field\nstd 0.3, 60 mm", {"BiasField": {"std": 0.3, "knots_mm": 60.0}}),
    ("noise\nSNR 10", {"Noise": {"snr": 10.0}}),
    ("axial slices\n5 mm", {"ThickSlices": {"axis": 2, "thickness_mm": 5.0}}),
    ("sagittal slices\n5 mm", {"ThickSlices": {"axis": 0, "thickness_mm": 5.0}}),
    ("blur\nFWHM 3 mm", {"Blur": {"fwhm_mm": 3.0}}),
    ("Gibbs ringing\nalpha 0.45", {"Gibbs": {"alpha": 0.45}}),
    (
        "motion\nafter 60 % of lines",
        {"Motion": {"axis": 1, "moment": 0.6, "degrees": [2.5, 2.5, 2.5], "shift_mm": [2.5, 2.5, 2.5]}},
    ),
    ("ghosts\nevery 4th line 0.35", {"Ghosting": {"axis": 1, "strength": 0.35, "every": 4}}),
    ("gamma 0.7", {"Gamma": {"gamma": 0.7}}),
    ("mask\n3 mm too wide", {"BrainMask": {**MASK, "margin_mm": 3.0, "roughness_mm": 1.0}}),
    ("mask\n1.5 mm too tight", {"BrainMask": {**MASK, "margin_mm": -1.5, "roughness_mm": 1.0}}),
    ("mask\nwithout sulcal CSF", {"BrainMask": {**MASK, "without_csf": True}}),
    ("field of view\nends 25 mm early", {"FieldOfView": {"axis": 1, "end": 0, "cut_mm": 25.0}}),
)


def grid(panels: Sequence[tuple[str, np.ndarray]], path: Path, columns: int) -> None:
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.1 * columns, 3.0 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, image) in zip(axes.flat, panels, strict=False):
        axis.imshow(np.rot90(image), cmap="gray", vmin=0, vmax=np.quantile(image[image > 0], 0.995))
        axis.set_title(title, fontsize=7)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80, bbox_inches="tight", pil_kwargs={"quality": 88})
    plt.close(figure)


def words(scan: Scan) -> str:
    """Settings of a scan in a few words."""
    sequence = scan.sequence
    lines = [sequence.get("kind", "random levels").replace("_", " ")]
    if "tesla" in sequence:
        lines[0] += f", {sequence['tesla']:g} T"
        times = f"TR {sequence['tr']:.0f} TE {sequence['te']:.0f}" + (
            f" TI {sequence['ti']:.0f}" if sequence["ti"] else ""
        )
        lines.append(times)
    found = scan.artefacts
    parts = [f"SNR {found['Noise']['snr']:.0f}", f"bias {found['BiasField']['std']:.2f}"]
    if "ThickSlices" in found:
        parts.append(f"{found['ThickSlices']['thickness_mm']:.1f} mm " + "sca"[found["ThickSlices"]["axis"]])
    lines.append(", ".join(parts))
    lines.append(
        ", ".join(name for name in ("Motion", "Ghosting", "Gibbs", "Blur", "Gamma", "FieldOfView") if name in found)
    )
    return "\n".join(lines)


def person(path: Path, seed: int, **options: Any) -> HeadSubject:
    who = Person(62.0, "F", 25.0, 1180.0, 1420.0, 640.0)
    chosen = HeadOptions(path, shell_mm=8.0, **options)
    return render_subject(who, seed=seed, spatial_size=(104, 112, 104), spacing=2.0, options=chosen)


def main(anatomies: str, output: str) -> None:
    torch.set_num_threads(1)
    maps, folder = find_label_maps(anatomies), Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    head = person(maps["training_seg_10"], 5)
    z = 60
    every = [BiasField(), Motion(), Ghosting(), ThickSlices(), Blur(), Gibbs(), Noise()]
    plain = Acquisition(SignalLevels(), every, [Gamma(), BrainMask(), FieldOfView()])
    drawn = plain.draw(head, "T1w")
    panels = []
    for title, settings in ARTEFACTS:
        scan = Scan(
            drawn.contrast, drawn.seed, drawn.levels, drawn.slopes, drawn.sequence, {"BrainMask": MASK, **settings}
        )
        volume = plain.image(head, scan).numpy()
        sagittal = "axial" in title or "motion" in title
        panels.append((title, volume[volume.shape[0] // 2 + 6] if sagittal else volume[:, :, z]))
    grid(panels, folder / "scan_artefacts.jpg", columns=7)
    for kind, contrasts in (("varied", ("T1w", "T2w", "FLAIR", "PDw")), ("random", ("T1w", "T1w"))):
        acquisition, panels = acquisition_of(kind), []
        for contrast in contrasts:
            for number in range(7):
                scan = acquisition.draw(head, contrast, key=f"{len(panels)} {number}")
                title = words(scan) if kind == "random" else f"{contrast}, {words(scan)}"
                panels.append((title, acquisition.image(head, scan).numpy()[:, :, z]))
        grid(panels, folder / f"scan_{kind}.jpg", columns=7)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
