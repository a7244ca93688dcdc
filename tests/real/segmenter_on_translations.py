"""What the segmenter finds in a translated contrast of people, against what it finds in the true one.

    python tests/real/segmenter_on_translations.py REAL OUTPUT_DIR [--sets older ms] [--ckpt_dir DIR]
        [--option KEY VALUE ...]

Each person's contrasts are segmented on the grid of the translator: the true target, its translations, and the source
as it is, for a segmentation of the source needs no translation. Dice against the segmentation of the true target, mean
over the structures found there, and of some structures; volumes against those of the true target. OUTPUT_DIR gets the
translations, segmenter_on_translations.md and .json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brain_bundles.data.brain_classes import BRAIN_CLASSES, CLASS_INDEX
from brain_bundles.evaluation.segmentation_scores import dice
from brain_bundles.evaluation.tables import finite_json, table
from brain_bundles.evaluation.translation_subject import Subject
from brain_bundles.transforms.scan_segmenter import ScanSegmenter, load_segmenter
from brain_bundles.transforms.segmentation import Segmentation
from brain_bundles.utils.atomic import atomic_write, write_json
from numpy.typing import NDArray
from tqdm import tqdm
from translators_on_people import SETS, Translator, options_of, people, set_of

SOURCE = "source"
SHOWN = ("cortex", "white_matter", "lateral_ventricle")
VOLUMES = ("ventricular_volume", "brain_volume")


def dice_of_structures(found: NDArray[np.uint8], true: NDArray[np.uint8]) -> dict[str, float]:
    """Dice of each structure of ``true``, and their mean; both (D, H, W) indices of classes."""
    there = [name for name in BRAIN_CLASSES if (true == CLASS_INDEX[name]).any()]
    scores = {name: dice(found == CLASS_INDEX[name], true == CLASS_INDEX[name]) for name in there}
    return {"mean": float(np.mean(list(scores.values()))), **scores}


def rows_of(
    subject: Subject, translator: Translator, segmenter: ScanSegmenter, folder: Path
) -> Iterator[dict[str, Any]]:
    """A row for each direction and what is segmented in the place of the true target."""
    affine = np.diag([translator.spacing] * 3 + [1.0])

    def segmented(volume: torch.Tensor) -> Segmentation:
        return segmenter(volume.numpy(), affine, minimum_quality=0.0)

    true = {contrast: segmented(volume) for contrast, volume in subject.volumes.items()}
    for source, volume in subject.volumes.items():
        translations = translator.translate(subject, source, folder)
        for target in (one for one in subject.volumes if (source, one) in translator.cells):
            found = {name: segmented(made[target] * (volume > 0)) for name, made in translations.items()}
            for kind, one in {**found, SOURCE: true[source]}.items():
                about = {"set": set_of(subject), "person": subject.participant_id}
                scores = dice_of_structures(one.indices, true[target].indices)
                errors = {name: one.volumes[name] - true[target].volumes[name] for name in VOLUMES}
                yield {**about, "source": source, "target": target, "given": kind, "dice": scores, "error": errors}


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each set, direction and what was segmented: means over people, of volumes the errors."""
    lines = []
    for name in dict.fromkeys(row["set"] for row in rows):
        mine = [row for row in rows if row["set"] == name]
        for direction in (None, *dict.fromkeys((row["source"], row["target"]) for row in mine)):
            for kind in dict.fromkeys(row["given"] for row in mine):
                own = [
                    row for row in mine if row["given"] == kind and direction in (None, (row["source"], row["target"]))
                ]
                dices = [[row["dice"][key] for row in own if key in row["dice"]] for key in ("mean", *SHOWN)]
                errors = [[row["error"][key] for row in own] for key in VOLUMES]
                people = str(len({row["person"] for row in own}))
                shown = [f"{np.mean(one):.3f}" if one else "n/a" for one in dices]
                shown += [f"{np.mean(one):+.1f}, {np.mean(np.abs(one)):.1f}" for one in errors]
                lines.append([SETS[name], "all" if direction is None else " to ".join(direction), kind, people, *shown])
    header = ["set", "direction", "segmented", "N", "mean", *(name.replace("_", " ") for name in SHOWN)]
    volumes = [f"{name.replace('_', ' ')}, mL: mean error, mean absolute error" for name in VOLUMES]
    return "\n".join(table([*header, *volumes], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=["older", "ms"])
    parser.add_argument("--ckpt_dir", type=Path)
    parser.add_argument("--option", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    translator = Translator("adaptive", None, given.ckpt_dir, options_of(given.option))
    segmenter = load_segmenter()
    rows: list[dict[str, Any]] = []
    for subject in tqdm([one for one in people(given.real, given.output, translator) if set_of(one) in given.sets]):
        rows += rows_of(subject, translator, segmenter, given.output)
    write_json(given.output / "segmenter_on_translations.json", finite_json(rows))
    atomic_write(given.output / "segmenter_on_translations.md", report(rows))
    print(report(rows))


if __name__ == "__main__":
    main()
