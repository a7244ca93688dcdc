"""Which label map each generated brain is nearest to, and whether it is nearer than phantoms of one map are.

    python tests/benchmarks/nearest_maps.py GENERATED PEOPLE

GENERATED is a folder of generated brains, PEOPLE a population of label maps with the split that the generator was
trained on. Brains are compared as ``memorisation`` does, by correlation of 10 mm blocks without the mean of the
training. The last lines have the nearest neighbours of training phantoms among the others of their own map.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from brain_bundles.data.participants import read_participants
from brain_bundles.evaluation.image_sets import Grid, read_reference
from brain_bundles.evaluation.measurement import find_images
from brain_bundles.metrics.memorisation import memorisation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generated", type=Path)
    parser.add_argument("people", type=Path)
    given = parser.parse_args()
    reference = read_reference(given.people, grid=Grid())
    training = reference.training
    made = Grid().images([path for _, path, _ in find_images(given.generated, "T1w")], real=False)
    found = memorisation(made.vectors(), training.vectors(), reference.held_out.vectors())
    rows = {str(row["participant_id"]): row for row in read_participants(given.people, ())}
    maps = np.array([str(rows[path.name.split("_")[0]]["anatomy"]) for path in training.paths])
    nearest = Counter(maps[found.generated_nearest])
    print("| label map | share of the training | share of the generated brains nearest to it |\n| --- | --- | --- |")
    for name, number in sorted(Counter(maps).items()):
        print(f"| {name} | {number / len(maps):.3f} | {nearest[name] / len(made):.3f} |")

    vectors = np.stack([np.asarray(vector, dtype=np.float64) for vector in training.vectors()])
    units = vectors - vectors.mean(0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    alike = units @ units.T
    alike[(maps[:, None] != maps) | np.eye(len(maps), dtype=bool)] = -1
    own = alike.max(1)
    for name, values in (("generated, nearest training brain", found.generated), ("training, of one map", own)):
        quantiles = ", ".join(f"{value:.3f}" for value in np.quantile(values, [0.05, 0.5, 0.95, 1]))
        print(f"{name}: r at 5, 50, 95 and 100 %: {quantiles}")
    nearer = int((found.generated > np.median(own)).sum())
    print(f"generated brains nearer than half of the training is to others of its own map: {nearer} of {len(made)}")


if __name__ == "__main__":
    main()
