"""Comparisons and their reports, and the volumes that are measured on images."""

from brain_bundles.evaluation.generated import evaluate_generated
from brain_bundles.evaluation.matrix_evaluation import evaluate_matrix, with_segmentations
from brain_bundles.evaluation.measurement import Measurement, measure_folder
from brain_bundles.evaluation.pair_predictors import pair_predictors
from brain_bundles.evaluation.predictor import Predictor
from brain_bundles.evaluation.sampler_benchmark import benchmark_samplers
from brain_bundles.evaluation.translation import evaluate_translation
from brain_bundles.evaluation.ventricle_atlas import load_ventricle_atlas

__all__ = [
    "Measurement",
    "Predictor",
    "benchmark_samplers",
    "evaluate_generated",
    "evaluate_matrix",
    "evaluate_translation",
    "load_ventricle_atlas",
    "measure_folder",
    "pair_predictors",
    "with_segmentations",
]
