"""Do heads have the volumes that were asked for? Every map, the whole range, as a table.

python tests/benchmarks/head_volumes.py ANATOMIES [NUM_SUBJECTS]

Ages from 20 to 90 years, ventricles from 5 to 130 mL (logarithmic), brains from 850 to 1700 mL; intracranial volume and
grey matter are drawn given these. Prints the errors of the four volumes and every refused request.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from brain_bundles.phantom.heads import find_label_maps, head_population, load_head, render_head

GROUPS = {
    "ventricular_volume": ("ventricle",),
    "brain_volume": ("grey", "white"),
    "intracranial_volume": ("grey", "white", "ventricle", "csf"),
    "grey_matter_volume": ("grey",),
}
GRID = {"spatial_size": (80, 96, 80), "spacing": 2.0}
LARGE = {"spatial_size": (96, 112, 96), "spacing": 2.0}  # for heads above 1700 mL


def main(folder: str, num_subjects: int = 600) -> None:
    torch.set_num_threads(1)
    maps, population = find_label_maps(folder), head_population()
    each = -(-num_subjects // len(maps))
    errors: list[list[float]] = []
    refused: list[str] = []
    seconds = 0.0
    for number, (name, path) in enumerate(maps.items()):
        atlas = load_head(path)
        rng = np.random.default_rng(number)
        strata = [(rng.permutation(each) + rng.random(each)) / each for _ in range(3)]
        for index, (age, ventricles, brain) in enumerate(zip(*strata, strict=True)):
            given = {
                "age": 20.0 + 70.0 * age,
                "ventricular_volume": 5.0 * 26.0**ventricles,
                "brain_volume": 850.0 + 850.0 * brain,
            }
            person = population.sample(1, rng, given)[0]
            grid = LARGE if person.intracranial_volume > 1700 else GRID
            start = time.process_time()
            try:
                head = render_head(atlas, person, seed=1000 * number + index, mirrored=bool(index % 2), **grid)
            except ValueError as error:
                refused.append(f"{name}, {person.age:.0f} years: {error}")
                continue
            seconds += time.process_time() - start
            errors.append([head.volume(*groups) / getattr(person, key) - 1.0 for key, groups in GROUPS.items()])
        print(f"{name}: {len(errors)} heads, {len(refused)} refused", file=sys.stderr, flush=True)
        report(errors, refused, number + 1, seconds)


def report(errors: list[list[float]], refused: list[str], num_maps: int, seconds: float) -> None:
    """Print the table of the heads so far; the last one counts."""
    percent = 100 * np.abs(np.array(errors))
    print(f"\n{len(errors)} heads of {num_maps} maps, {seconds / len(errors):.2f} s each; {len(refused)} refused")
    print("| volume | mean error, % | 99th percentile | largest | above 2 % |\n| --- | --- | --- | --- | --- |")
    for key, column in zip(GROUPS, percent.T, strict=True):
        row = (column.mean(), np.percentile(column, 99), column.max())
        print(f"| {key} | {' | '.join(f'{value:.2f}' for value in row)} | {(column > 2).sum()} |")
    print("\n".join(refused), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
