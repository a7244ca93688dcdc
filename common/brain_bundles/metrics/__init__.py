"""Metrics of generated and translated brains, and measurement of their volumes."""

from brain_bundles.metrics.atlas_alignment import VentricleAtlas
from brain_bundles.metrics.auc import auc, auc_interval
from brain_bundles.metrics.brain_volumes import BrainVolumes, measure_volumes
from brain_bundles.metrics.conventions import CONVENTIONS, apply_convention
from brain_bundles.metrics.fidelity import Fidelity, requested_vs_measured
from brain_bundles.metrics.four_gr_ssim import four_gr_ssim
from brain_bundles.metrics.four_gr_ssim_pairs import (
    PairwiseFourGRSSIM,
    four_gr_ssim_between,
    four_gr_ssim_over_pairs,
)
from brain_bundles.metrics.frechet import frechet_distance
from brain_bundles.metrics.intensity_regression import IntensityRegression
from brain_bundles.metrics.kernel_distance import KernelDistance, kernel_distance, squared_mmd
from brain_bundles.metrics.memorisation import Memorisation, describe, memorisation
from brain_bundles.metrics.ms_ssim_pairs import PairwiseMSSSIM, draw_pairs, ms_ssim_between, ms_ssim_over_pairs
from brain_bundles.metrics.neighbourhoods import NeighbourhoodScores, expected_coverage, neighbourhood_scores
from brain_bundles.metrics.power_bands import band_power, radial_power
from brain_bundles.metrics.ssim import ms_ssim, ssim_maps
from brain_bundles.metrics.tissue import UnmeasurableError
from brain_bundles.metrics.tissue_levels import TissueLevels, pure_tissues, tissue_levels
from brain_bundles.metrics.translation import TranslationScores, brain_mask, score_translation

__all__ = [
    "CONVENTIONS",
    "BrainVolumes",
    "Fidelity",
    "IntensityRegression",
    "KernelDistance",
    "Memorisation",
    "NeighbourhoodScores",
    "PairwiseFourGRSSIM",
    "PairwiseMSSSIM",
    "TissueLevels",
    "TranslationScores",
    "UnmeasurableError",
    "VentricleAtlas",
    "apply_convention",
    "auc",
    "auc_interval",
    "band_power",
    "brain_mask",
    "describe",
    "draw_pairs",
    "expected_coverage",
    "four_gr_ssim",
    "four_gr_ssim_between",
    "four_gr_ssim_over_pairs",
    "frechet_distance",
    "kernel_distance",
    "measure_volumes",
    "memorisation",
    "ms_ssim",
    "ms_ssim_between",
    "ms_ssim_over_pairs",
    "neighbourhood_scores",
    "pure_tissues",
    "radial_power",
    "requested_vs_measured",
    "score_translation",
    "squared_mmd",
    "ssim_maps",
    "tissue_levels",
]
