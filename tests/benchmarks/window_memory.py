"""Peak memory of a translation by the size of its windows: one line per call, since memory is measured per process.

python tests/benchmarks/window_memory.py WINDOW NUM_SLICES     WINDOW is a number of slices, or 0 for the whole volume
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch
from brain_bundles.inferers import SliceWindows
from monai.bundle import ConfigParser

BUNDLE = Path(__file__).parents[2] / "bundles" / "brain_mri_slice2volume_translator"
SLICE = (160, 192)


def peak() -> int:
    """Largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    window, num_slices = int(sys.argv[1]), int(sys.argv[2])
    config = ConfigParser()
    config.read_config(str(BUNDLE / "configs" / "inference.json"))
    config["bundle_root"] = str(BUNDLE)
    config["device"] = "$torch.device('cpu')"
    inferer, network = config.get_parsed_content("inferer"), config.get_parsed_content("network").eval()
    inferer.windows = SliceWindows(window or None)
    before = peak()
    inferer(torch.rand(1, 1, *SLICE, num_slices), network, seeds=[1])
    print(
        f"window {window or 'all'}, {num_slices} slices of {SLICE[0]}x{SLICE[1]}: {peak() - before} MB above the start"
    )


if __name__ == "__main__":
    main()
