"""Data on disk (BIDS), the phantom population, and the data sets that feed training and sampling."""

from brain_bundles.data.covariates import Covariates
from brain_bundles.data.population import PopulationModel
from brain_bundles.data.seeding import derive_seed, generator_for

__all__ = ["Covariates", "PopulationModel", "derive_seed", "generator_for"]
