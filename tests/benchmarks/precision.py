"""Time one brain of the default inference in every precision and memory format, and compare the images.

    python tests/benchmarks/precision.py

Uses the weights that ship. Images are compared with those of the first row, fp32 with plain channels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from monai.bundle import ConfigParser

BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "brain_mri_generator"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="timed brains per row, after one that is not timed")
    repeats = parser.parse_args().repeats

    reference: torch.Tensor | None = None
    print(f"{torch.get_num_threads()} threads, median of {repeats}")
    print("| precision | channels last | seconds per brain | largest difference | mean difference |")
    print("| --- | --- | ---: | ---: | ---: |")
    for precision in ("fp32", "bf16"):
        for channels_last in (False, True):
            config = ConfigParser()  # anew, since the sampler puts weights into its memory format in place
            config.read_config(str(BUNDLE / "configs" / "inference.json"))
            config.update({"bundle_root": str(BUNDLE), "precision": precision, "channels_last": channels_last})
            network, inferer = (config.get_parsed_content(name) for name in ("network", "inferer"))
            network.eval()
            inferer.progress = False
            condition = torch.full((1, 1, network.num_covariates), 0.5, device=next(network.parameters()).device)
            seconds = []
            for _ in range(repeats + 1):
                start = time.perf_counter()
                image = inferer(condition, network, seeds=[0]).cpu()
                seconds.append(time.perf_counter() - start)
            reference = image if reference is None else reference
            difference = (image - reference).abs()
            print(
                f"| {precision} | {'yes' if channels_last else 'no'} | {statistics.median(seconds[1:]):.2f} | "
                f"{float(difference.max()):.4f} | {float(difference.mean()):.5f} |"
            )


if __name__ == "__main__":
    main()
