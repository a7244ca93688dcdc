"""Do both methods of `measure` agree with the volumes of participants.tsv? A line of a table for each dataset.

python tests/benchmarks/volume_agreement.py [--segmenter PATH] NAME=FOLDER:SUFFIX...

The classical rules are for T1w alone; other suffixes are measured by the network.
"""

from __future__ import annotations

import argparse

import numpy as np
from brain_bundles.evaluation.measurement import CLASSICAL, NETWORK, fidelity_of, measure_folder

COLUMNS = ("dataset", "method", "n", "ventricles r", "slope", "error, mL", "brain r", "slope", "error, mL")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", metavar="NAME=FOLDER:SUFFIX")
    parser.add_argument("--segmenter")
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for dataset in arguments.datasets:
        name, place = dataset.split("=", 1)
        folder, suffix = place.rsplit(":", 1)
        for method in (CLASSICAL, NETWORK) if suffix == "T1w" else (NETWORK,):
            measured = measure_folder(folder, suffix, method=method, segmenter=arguments.segmenter, progress=False)
            number = sum(bool(np.isfinite(one.measured).all()) for one in measured)
            cells = [f"{name}, {suffix}", method, f"{number} of {len(measured)}"]
            for volume in ("ventricular_volume", "brain_volume"):
                found = fidelity_of(measured)[volume]
                cells += [f"{found.pearson_r:.3f}", f"{found.slope:.2f}", f"{found.mean_absolute_error:.1f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
