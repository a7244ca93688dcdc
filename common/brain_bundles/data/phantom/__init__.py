"""The phantom population: digital brains with known truth, made from the MNI152 tissue maps."""

from brain_bundles.data.phantom.anatomy import Anatomy, render_anatomy
from brain_bundles.data.phantom.default_dataset import phantom_dataset
from brain_bundles.data.phantom.writer import write_phantoms

__all__ = ["Anatomy", "phantom_dataset", "render_anatomy", "write_phantoms"]
