"""Standard errors of distances between features: those of halves and of a bootstrap beside the spread of new draws.

    python tests/benchmarks/feature_errors.py

Two Gaussian sets are drawn again and again; their features have falling standard deviations, exp(-i / 8).
"""

from __future__ import annotations

import numpy as np
import torch
from brain_bundles.metrics import frechet_distance, neighbourhood_scores, squared_mmd

# Vectors of the two sets, features, shift of the second in standard deviations.
CASES = ((40, 40, 4, 0.3), (100, 100, 64, 0.5), (40, 40, 64, 0.5), (40, 20, 256, 0.0))
DRAWS, RESAMPLES = 60, 60


def metrics(x: torch.Tensor, y: torch.Tensor) -> list[float]:
    return [frechet_distance(x, y), squared_mmd(x, y), *neighbourhood_scores(x, y).means().values()]


def main() -> None:
    torch.set_num_threads(1)
    for n, m, features, shift in CASES:
        rng, found, halves, bootstraps = np.random.default_rng(0), [], [], []
        width = np.exp(-np.arange(features) / 8)
        for _ in range(DRAWS):
            x = torch.tensor(rng.normal(size=(n, features)) * width)
            y = torch.tensor(rng.normal(size=(m, features)) * width * 1.1 + shift * width)
            found.append(metrics(x, y))
            half = [metrics(x[rng.permutation(n)[: n // 2]], y[rng.permutation(m)[: m // 2]]) for _ in range(RESAMPLES)]
            boot = [metrics(x[rng.integers(0, n, n)], y[rng.integers(0, m, m)]) for _ in range(RESAMPLES)]
            halves.append(np.std(half, axis=0, ddof=1))
            bootstraps.append(np.std(boot, axis=0, ddof=1))
        print(
            f"\n{n} and {m} vectors, {features} features, shift {shift}: "
            "Frechet, KID, precision, recall, density, coverage"
        )
        spread = np.std(found, axis=0, ddof=1)
        for name, values in (
            ("mean", np.mean(found, axis=0)),
            ("spread", spread),
            ("halves / spread", np.mean(halves, axis=0) / spread),
            ("bootstrap / spread", np.mean(bootstraps, axis=0) / spread),
        ):
            print(f"{name:20}", *(f"{value:8.3f}" for value in values), flush=True)


if __name__ == "__main__":
    main()
