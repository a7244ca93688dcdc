"""How good is the segmenter on real people? Tables for the results, and pictures.

python tests/real/segmenter_on_people.py REFERENCES OUT [--weights PATH] [--flip]

``REFERENCES`` is the folder that segmenter_references.py wrote. For each of its datasets OUT gets metrics.md,
scores.tsv and comparison.png; OUT/summary.md has what the bars are about.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from brain_bundles.data import read_tsv, segmentation_datalist
from brain_bundles.evaluation import evaluate_segmentation
from brain_bundles.inferers import SegmentationInferer
from brain_bundles.transforms.scan_segmenter import load_segmenter
from segmenter_references import CORTEX, OASIS

# Heads and brains: ventricles, and all else inside of the skull under the name of one class, for the mask.
OLDER = {"lateral_ventricle": [1], "third_ventricle": [2], "white_matter": [3], "csf": [4]}
CASES = {
    "heads_T1w": OLDER,
    "heads_FLAIR": OLDER,
    "brains_T1w": OLDER,
    "brains_FLAIR": OLDER,
    "oasis_T1w": OASIS,
    "oasis_T1w_with_csf": {**OASIS, "cortex": [*CORTEX, 1000]},
}
SHOWN = ("brain_mask", "lateral_ventricle")  # of the older adults


def volumes(folder: Path, results: Path) -> list[str]:
    """Agreement with the volumes of participants.tsv."""
    known = {row["participant_id"]: row for row in read_tsv(folder / "participants.tsv")}
    rows = read_tsv(results / "scores.tsv")
    lines = []
    for name, structure in (("ventricular_volume", "lateral_ventricle"), ("brain_volume", "brain_volume")):
        own = [row for row in rows if row["structure"] == structure]
        found = np.array([float(str(row["volume"])) for row in own])
        true = np.array([float(str(known[str(row["scan"]).split("_")[0]][name])) for row in own])
        r, slope = np.corrcoef(found, true)[0, 1], np.polyfit(true, found, 1)[0]
        lines.append(
            f"{name}: r {r:.4f}, slope {slope:.2f}, mean {found.mean():.1f} of {true.mean():.1f} mL, N {len(own)}"
        )
    return lines


def main(references: Path, out: Path, weights: str | None, flip: bool) -> None:
    """Evaluate all datasets."""
    warnings.simplefilter("ignore")
    segmenter = load_segmenter(weights)
    lines = ["| dataset | structure | Dice, 2 mm | Dice, scan | found mL | labels mL | r |", "|---|" + "---|" * 6]
    for name, table in CASES.items():
        folder = references / name.removesuffix("_with_csf")
        items = segmentation_datalist(folder, [folder.name.split("_")[1]], segmentation="manual")
        report = evaluate_segmentation(
            items,
            segmenter.preprocessing,
            segmenter.network,
            SegmentationInferer(flip=flip, precision="auto"),
            output_dir=out / name,
            label_numbers=table,
        )
        for structure in SHOWN if table is OLDER else report["structures"]:
            one = report["structures"][structure]
            cells = [one[key] for key in ("dice", "dice_scan", "volume_ml", "true_volume_ml", "volume_r")]
            shown = " | ".join("n/a" if cell is None else f"{cell:.3f}" for cell in cells)
            lines.append(f"| {name} | {structure} | {shown} |")
        lines.append(
            f"| {name} | quality {report['quality']}, seconds {report['seconds']}, refused {report['refused']} |"
        )
    (out / "summary.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("references", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--flip", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(2)
    main(given.references, given.out, given.weights, given.flip)
