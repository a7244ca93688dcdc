"""Metrics of generated and translated brains, and the volumes that are measured on them."""

from brain_bundles.metrics.brain_volumes import BrainVolumes, measure_volumes
from brain_bundles.metrics.fidelity import Fidelity, requested_vs_measured
from brain_bundles.metrics.tissue import UnmeasurableError

__all__ = ["BrainVolumes", "Fidelity", "UnmeasurableError", "measure_volumes", "requested_vs_measured"]
