"""Compares folders of phantoms with real scans, as tables for docs/explanation/how_real_phantoms_are.md.

    python tests/real/population_realism.py REAL OUTPUT_DIR NAME=PHANTOMS [NAME=PHANTOMS ...] [--picture PATH]

REAL is the folder of real scans. Its brain-extracted ones become one BIDS dataset in OUTPUT_DIR/real, by links.
A comparison that OUTPUT_DIR has already is read, not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brain_bundles.data import BidsIndex, contrast_of, read_participants, write_dataset_description, write_participants
from brain_bundles.evaluation.populations import compare_populations, find_people
from brain_bundles.evaluation.populations.image_set import load_images
from brain_bundles.evaluation.tables import cell, table
from brain_bundles.visualize import save_montage

# BIDS datasets of brain-extracted images with the sets' names, which become part of the people's.
DATASETS = {"oasis": "oasis", "older": "t1_flair/derivatives/preproc", "ms": "ms", "stroke": "stroke"}
CONTRASTS = ("T1w", "T2w", "FLAIR")
FREE = ("sub-ms", "sub-stroke", "sub-brats")  # CC BY and MIT: their pictures may stand in docs, the others' may not
AGES = {"ms": {"age": 53.0, "sex": "F"}}  # of the one patient there, who has no participants.tsv


def lay_out(real: Path, dataset: Path, contrasts: Sequence[str] = CONTRASTS) -> Path:
    """Link the brain-extracted real scans into one BIDS dataset, with ages and sexes where they are known."""
    shutil.rmtree(dataset, ignore_errors=True)
    rows: list[dict[str, Any]] = []

    def add(name: str, images: dict[str, Path], **about: Any) -> None:
        for contrast, path in images.items():
            link = dataset / f"sub-{name}" / "anat" / f"sub-{name}_{contrast}.nii.gz"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        rows.append({"participant_id": f"sub-{name}", "age": None, "sex": None, **about})

    for name, folder in DATASETS.items():
        index = BidsIndex(real / folder)
        known = (real / folder / "participants.tsv").is_file()
        about = {str(row["participant_id"]): row for row in read_participants(real / folder)} if known else {}
        for person in index.participants():
            (scan,) = index.scans(person)
            found = {contrast: path for contrast in contrasts if (path := index.find(scan, contrast))}
            row = about.get(person, AGES.get(name, {}))
            add(name + person.removeprefix("sub-"), found, age=row.get("age"), sex=row.get("sex"))
    for person in sorted(path for path in (real / "brats").iterdir() if path.is_dir()):
        files = {contrast_of(path): path for path in sorted(person.glob("*.nii.gz"))}
        add("brats" + person.name[-5:].strip("-").replace("-", ""), {c: files[c] for c in contrasts if c in files})
    write_participants(dataset, rows)
    write_dataset_description(dataset, "Real scans, brain-extracted")
    return dataset


def auc_rows(name: str, results: dict[str, Any]) -> list[list[str]]:
    """How well phantoms are told from people, with the lower end of the interval; a line for each contrast."""
    return [
        [
            contrast,
            name,
            str(found["num_people"]),
            *(f"{cell(one['auc'], '.2f')} ({cell(one['lower'], '.2f')})" for one in found["two_sample"].values()),
            *(cell(found["two_sample"][which]["itself"]["auc"], ".2f") for which in ("network", "all numbers")),
        ]
        for contrast, found in results["contrasts"].items()
    ]


def measure_rows(name: str, results: dict[str, Any], which: int) -> list[list[str]]:
    """What is measured on the phantoms (0) or on the people (1) of a comparison; a line for each contrast."""
    return [
        [
            contrast,
            name,
            *(
                f"{cell(one['mean'], '.2f')} ({cell(one['std'], '.2f')})"
                for one in map(found["tissues"][which].get, ("csf", "grey", "white"))
            ),
            cell(found["tissues"][which]["contrast_to_noise"]["mean"], ".1f"),
            "1, 1, 1" if which else ", ".join(cell(ratio, ".2f") for ratio in found["power"]["ratio"]),
            cell(found["ms_ssim"][("first", "second")[which]]["mean"], ".3f"),
            "" if which else cell(found["ms_ssim"]["between"]["mean"], ".3f"),
        ]
        for contrast, found in results["contrasts"].items()
    ]


def volume_rows(name: str, results: dict[str, Any], which: int) -> list[list[str]]:
    return [
        [
            volume.replace("_", " "),
            name,
            str(pair[which]["num_fitted"]),
            cell(pair[which]["at_60"], ".0f"),
            cell(pair[which]["percent_per_decade"], "+.1f"),
            cell(pair[which]["percent_male"], "+.1f"),
            cell(pair[which]["percent_residual"], ".1f"),
        ]
        for volume, pair in results["volumes"].items()
    ]


def draw(path: Path, real: Path, phantoms: dict[str, str], contrasts: list[str]) -> None:
    """A picture of people beside phantoms of each kind, for docs: only of people whose pictures may stand there."""
    for contrast in contrasts:
        shown = [one for one in find_people(real, [contrast]) if one.name.startswith(FREE) and contrast in one.paths]
        columns = [("people", shown)]
        for name, folder in phantoms.items():
            people = sorted(find_people(folder, [contrast]), key=lambda one: one.age or 0.0)
            columns.append((name, people[:: max(len(people) // len(shown), 1)][: len(shown)]))
        images = [load_images(visits, contrast) for _, visits in columns]
        cells = [
            (one.volumes[row], f"{name}: {one.visits[row].name}")
            for row in range(len(shown))
            for (name, _), one in zip(columns, images, strict=True)
        ]
        file = path.with_name(f"{path.stem}_{contrast}.png")
        volumes, labels = zip(*cells, strict=True)
        save_montage(file, volumes, labels, title=contrast, spacing=(2.0,) * 3, columns=len(columns), dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("phantoms", nargs="+", metavar="NAME=PHANTOMS")
    parser.add_argument("--contrasts", default="T1w,FLAIR")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--num_pairs", type=int, default=60)
    parser.add_argument("--picture", type=Path, help="draw PATH_T1w.png and so on")
    options = parser.parse_args()
    real = lay_out(options.real, options.output_dir / "real")
    folders = dict(given.split("=", 1) for given in options.phantoms)
    contrasts = options.contrasts.split(",")
    if options.picture:
        draw(options.picture, real, folders, contrasts)
    tests: list[list[str]] = []
    measures: list[list[str]] = []
    volumes: list[list[str]] = []
    for name, folder in folders.items():
        out = options.output_dir / name.replace(" ", "_")
        if (out / "comparison.json").is_file():
            results = json.loads((out / "comparison.json").read_text())
        else:
            results = compare_populations(
                folder, real, out, contrasts=contrasts, epochs=options.epochs, num_pairs=options.num_pairs
            )
        if not measures:
            measures, volumes = measure_rows("people", results, 1), volume_rows("people", results, 1)
        tests += auc_rows(name, results)
        measures += measure_rows(name, results, 0)
        volumes += volume_rows(name, results, 0)
    kinds = list(next(iter(results["contrasts"].values()))["two_sample"])
    header = ["contrast", "phantoms", "of each", *kinds, "network, A from A", "all numbers, A from A"]
    print("\n".join(table(header, sorted(tests, key=lambda row: contrasts.index(row[0])))))
    header = [
        "contrast",
        "set",
        "CSF",
        "grey matter",
        "white matter",
        "contrast to noise",
        "power",
        "MS-SSIM",
        "to people",
    ]
    print("\n".join(table(header, sorted(measures, key=lambda row: contrasts.index(row[0])))))
    header = ["volume", "set", "fitted", "at 60 years, mL", "% a decade", "men, %", "spread, %"]
    print("\n".join(table(header, sorted(volumes, key=lambda row: row[0]))))


if __name__ == "__main__":
    main()
