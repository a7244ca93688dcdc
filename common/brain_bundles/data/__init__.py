"""Data on disk (BIDS), the phantom population, and the data sets that feed training and sampling."""

from brain_bundles.data.covariates import Covariates
from brain_bundles.data.epoch_sampler import EpochIndex, EpochSampler
from brain_bundles.data.population import PopulationModel
from brain_bundles.data.seeded_dataset import SAMPLE_SEED, SeededDataset
from brain_bundles.data.seeding import derive_seed, generator_for

__all__ = [
    "SAMPLE_SEED",
    "Covariates",
    "EpochIndex",
    "EpochSampler",
    "PopulationModel",
    "SeededDataset",
    "derive_seed",
    "generator_for",
]
