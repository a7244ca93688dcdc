"""Which layers of the generator's encoder tell apart noise, blur, wrong contrast and other ventricles, on phantoms.

    python tests/benchmarks/feature_sensitivity.py encoder.blocks.0 encoder.blocks.5 encoder.blocks.0,encoder.blocks.5

Each argument is a list of layers, and gives a table for docs/explanation/feature_distances.md. Rendering 30 phantoms of
4 mm takes most of a minute.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from brain_bundles.evaluation.features import NetworkEncoder, make_phantom_series, sensitivity, sensitivity_table
from brain_bundles.utils import read_recipe
from monai.bundle import ConfigParser

GENERATOR = Path(__file__).parents[2] / "bundles" / "brain_mri_generator"
WEIGHTS = GENERATOR / "models" / "autoencoder.pt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="+", help="layers, joined by commas; each argument is one encoder")
    parser.add_argument("--statistics", default="mean,std")
    parser.add_argument("--people", type=int, default=6, help="people of each of the two sets")
    parser.add_argument("--spacing", type=float, default=4.0, help="voxel size, mm")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.time()
    phantoms = make_phantom_series(
        arguments.people,
        spacing=arguments.spacing,
        spatial_size=[round(mm / arguments.spacing) for mm in (160, 192, 160)],
        intensity_scale=read_recipe([WEIGHTS])["intensity_scale"],
        seed=arguments.seed,
    )
    print(f"phantoms: {time.time() - start:.0f} s", flush=True)
    config = json.loads((GENERATOR / "configs" / "inference.json").read_text(encoding="utf-8"))
    for layers in arguments.layers:
        network = ConfigParser(config).get_parsed_content("autoencoder_def")
        encoder = NetworkEncoder(
            network, layers.split(","), path=WEIGHTS, part="encoder", statistics=arguments.statistics.split(",")
        )
        start = time.time()
        found = sensitivity(encoder, phantoms.reference, phantoms.clean, phantoms.series)
        print(f"\n{layers}: {encoder.record.num_features} features, {time.time() - start:.0f} s")
        print(sensitivity_table(found), flush=True)


if __name__ == "__main__":
    main()
