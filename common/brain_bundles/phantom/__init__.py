"""The phantom population: digital brains with known truth, made from the MNI152 tissue maps."""

from brain_bundles.phantom.anatomy import Anatomy, render_anatomy
from brain_bundles.phantom.default_dataset import PhantomDataset
from brain_bundles.phantom.head_images import HeadImage, HeadSegmentation
from brain_bundles.phantom.head_population import HeadPopulation
from brain_bundles.phantom.population import PopulationModel
from brain_bundles.phantom.writer import write_phantoms

__all__ = [
    "Anatomy",
    "HeadImage",
    "HeadPopulation",
    "HeadSegmentation",
    "PhantomDataset",
    "PopulationModel",
    "render_anatomy",
    "write_phantoms",
]
