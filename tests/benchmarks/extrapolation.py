"""Does a generator follow volumes that no training brain had? Tables and pictures as figure 4 of Pinaya et al. 2022.

    python tests/benchmarks/extrapolation.py OUT [--bundle NAME] [--num 8] [--seed 0] [--KEY VALUE ...]

Ventricles of -0.5, 1.5 and 1.9 of the range of the training and brains of -0.1, -0.3 and -0.5 of it, with values within
the range beside them; head size, where it is a condition, goes with the brain. The same noise is used for every value,
so a row of the picture is one person who changes. The network gets scaled values: some are volumes below 0 mL, which no
table of conditions may ask for. OUT gets the brains, extrapolation.md, extrapolation.json and a picture for each
volume; a later start goes on. KEY is a key of the bundle's inference.json, such as ckpt_dir.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import brain_bundles
import numpy as np
import torch
from brain_bundles.bundle.bundle import Bundle
from brain_bundles.data import write_nifti
from brain_bundles.data.nifti import is_complete_nifti
from brain_bundles.data.read_image import read_values
from brain_bundles.evaluation.measurement import CLASSICAL, NETWORK, measure_file
from brain_bundles.evaluation.tables import cell, finite_json, table
from brain_bundles.utils.atomic import atomic_write, write_json
from brain_bundles.utils.fingerprint import weights_hash
from brain_bundles.utils.seeding import derive_seed
from brain_bundles.visualize import save_montage
from tqdm import tqdm

# Scaled values; those outside of [0, 1] are the paper's.
VALUES: Mapping[str, Sequence[float]] = {
    "ventricular_volume": (-0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 1.9),
    "brain_volume": (-0.5, -0.3, -0.1, 0.0, 0.5, 1.0),
}
AGE, VENTRICLES, BRAIN = 0.5, 0.25, 0.5  # scaled, where they do not vary
SHOWN = 2  # people in a picture
Options = Mapping[str, Any]


def condition(volume: str, value: float, index: int, names: Iterable[str]) -> list[float]:
    """Scaled sex and the numbers of ``names``, in their order; men and women take turns, heads grow with the brain."""
    numbers = {"age": AGE, "ventricular_volume": VENTRICLES, "brain_volume": BRAIN} | {volume: value}
    numbers["intracranial_volume"] = numbers["brain_volume"]
    return [float(index % 2), *(numbers[name] for name in names)]


def generate(bundle: Bundle, out: Path, number: int, seed: int) -> None:
    """Write the brains of each value that are not there."""
    names = ("inferer", "network", "postprocessing", "device", "preprocessing")
    inferer, network, postprocessing, device, preprocessing = bundle.content(*names)
    settings = {
        "network": weights_hash(network),
        "seed": seed,
        "options": {k: str(v) for k, v in bundle.options.items()},
    }
    before = json.loads(path.read_text()) if (path := out / "settings.json").is_file() else settings
    if before != settings:
        raise SystemExit(f"{out} has brains of other settings: {before}, now {settings}; give another folder.")
    write_json(out / "settings.json", settings)
    missing = [
        (path, volume, value, i)
        for volume, values in VALUES.items()
        for value in values
        for i in range(number)
        if not is_complete_nifti(path := brain_path(out, volume, value, i))
    ]
    network.eval()
    for path, volume, value, i in tqdm(missing, desc="generate", unit="brain"):
        context = torch.tensor([[condition(volume, value, i, preprocessing.scaler.bounds)]], device=device)
        image = inferer(context, network, seeds=[derive_seed(seed, i)])[0]
        made = postprocessing({"pred": image})["pred"]
        write_nifti(path, made[0].numpy(), made.affine.numpy())


def brain_path(out: Path, volume: str, value: float, index: int) -> Path:
    return out / "brains" / f"{volume}_{value:+.2f}_{index:03d}.nii.gz"


def measure(out: Path, number: int, bounds: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """One row for each value: what was asked for, and mean and spread of what both methods measure, mL."""
    rows = []
    for volume, values in VALUES.items():
        low, high = bounds[volume]
        for value in tqdm(values, desc=f"measure {volume}"):
            row: dict[str, Any] = {"volume": volume, "scaled": value, "asked": low + value * (high - low)}
            paths = [brain_path(out, volume, value, i) for i in range(number)]
            for method in (NETWORK, CLASSICAL):
                found = np.array([getattr(measure_file(path, method=method), volume) for path in paths])
                known = found[np.isfinite(found)]
                row[method] = {
                    "n": len(known),
                    "mean": float(known.mean()) if len(known) else math.nan,
                    "std": float(known.std(ddof=1)) if len(known) > 1 else math.nan,
                }
            rows.append(row)
    return finite_json(rows)


def rises(rows: Sequence[Mapping[str, Any]], volume: str, method: str) -> float | None:
    """Share of the steps from one value to the next in which the mean grows; 1 follows the condition everywhere."""
    means = [row[method]["mean"] for row in rows if row["volume"] == volume]
    if None in means:
        return None
    return float(np.mean(np.diff(means) > 0))


def report(rows: Sequence[Mapping[str, Any]], number: int) -> str:
    header = ["volume", "scaled", "asked, mL", "segmenter, mL", "classical, mL", "not measured"]
    lines = []
    for row in rows:
        measured = [f"{cell(row[m]['mean'], '.1f')} ({cell(row[m]['std'], '.1f')})" for m in (NETWORK, CLASSICAL)]
        left = " and ".join(str(number - row[m]["n"]) for m in (NETWORK, CLASSICAL))
        name = row["volume"].replace("_", " ")
        lines.append([name, f"{row['scaled']:+.2f}", f"{row['asked']:.1f}", *measured, left])
    text = table(header, lines)
    for volume in VALUES:
        shares = ", ".join(f"{m} {cell(rises(rows, volume, m), '.0%')}" for m in (NETWORK, CLASSICAL))
        text.append(f"Steps in which the mean {volume.replace('_', ' ')} grows: {shares}.")
    return "\n".join([f"Means and standard deviations of {number} brains for each value.", "", *text, ""])


def draw(out: Path, spacing: float) -> None:
    """A picture for each volume: a row for each person, a column for each value."""
    for volume, values in VALUES.items():
        volumes, labels = [], []
        for i in range(SHOWN):
            for value in values:
                if (path := brain_path(out, volume, value, i)).is_file():
                    volumes.append(read_values(path).voxels)
                    labels.append(f"{volume.replace('_', ' ')} {value:+.2f} of the range")
        save_montage(out / f"{volume}.png", volumes, labels, spacing=(spacing,) * 3, columns=len(values))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", default="brain_mri_generator")
    parser.add_argument("--num", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments, rest = parser.parse_known_args(words)
    bundle = brain_bundles.load(arguments.bundle, **options(rest))
    bounds, spacing = bundle.content("bounds", "spacing")
    generate(bundle, arguments.out, arguments.num, arguments.seed)
    rows = measure(arguments.out, arguments.num, bounds)
    about = {"num": arguments.num, "seed": arguments.seed, "bounds": bounds, "options": dict(options(rest))}
    write_json(arguments.out / "extrapolation.json", {**about, "rows": rows})
    atomic_write(arguments.out / "extrapolation.md", report(rows, arguments.num))
    draw(arguments.out, spacing)
    print(report(rows, arguments.num))


def options(words: Sequence[str]) -> Options:
    """--KEY VALUE pairs as keys of a config; values are Python where they can be read so, else text."""
    from ast import literal_eval

    found: dict[str, Any] = {}
    for key, value in zip(words[::2], words[1::2], strict=True):
        try:
            found[key.removeprefix("--")] = literal_eval(value)
        except (ValueError, SyntaxError):
            found[key.removeprefix("--")] = value
    return found


if __name__ == "__main__":
    main()
