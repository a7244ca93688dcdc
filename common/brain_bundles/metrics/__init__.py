"""Metrics of generated and translated brains, and the volumes that are measured on them."""

from brain_bundles.metrics.brain_volumes import BrainVolumes, measure_volumes
from brain_bundles.metrics.tissue import UnmeasurableError

__all__ = ["BrainVolumes", "UnmeasurableError", "measure_volumes"]
