"""Comparison of two populations of brain images."""

from brain_bundles.evaluation.populations.comparison import compare_populations
from brain_bundles.evaluation.populations.people import Visit, find_people

__all__ = ["Visit", "compare_populations", "find_people"]
