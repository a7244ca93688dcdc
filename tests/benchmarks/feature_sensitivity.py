"""Do encoders tell apart noise, blur, wrong contrast and other ventricles, on phantoms?

    python tests/benchmarks/feature_sensitivity.py [segmenter|second|PATH ...]

A table for docs/explanation/feature_distances.md for each encoder: the segmenter's, the second one, or weights of a
segmenter at PATH.
"""

from __future__ import annotations

import argparse
import time

import torch
from brain_bundles.evaluation.features import (
    make_phantom_series,
    second_encoder,
    segmenter_encoder,
    sensitivity,
    sensitivity_table,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="*", default=["segmenter", "second"])
    parser.add_argument("--people", type=int, default=6, help="people of each of the two sets")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.time()
    phantoms = make_phantom_series(arguments.people, seed=arguments.seed)
    print(f"phantoms: {time.time() - start:.0f} s", flush=True)
    for name in arguments.encoders:
        path = None if name == "segmenter" else name
        encoder = second_encoder() if name == "second" else segmenter_encoder(path)
        start = time.time()
        found = sensitivity(encoder, phantoms.reference, phantoms.clean, phantoms.series)
        print(f"\n{name}: {encoder.record.num_features} features, {time.time() - start:.0f} s")
        print(sensitivity_table(found), flush=True)


if __name__ == "__main__":
    main()
