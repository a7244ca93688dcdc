"""Evaluation: comparisons with their reports, and volumes measured on images."""

from brain_bundles.evaluation.draw_calibration import calibrate_draws
from brain_bundles.evaluation.generated import evaluate_generated
from brain_bundles.evaluation.known_brains import KnownBrains, measure_brains
from brain_bundles.evaluation.measurement import Measurement, measure_folder
from brain_bundles.evaluation.own_look import find_look, save_look
from brain_bundles.evaluation.populations import compare_populations
from brain_bundles.evaluation.sampler_benchmark import benchmark_samplers
from brain_bundles.evaluation.sampler_table import SamplerRow
from brain_bundles.evaluation.segmentation_comparison import evaluate_segmentation
from brain_bundles.evaluation.translation_comparison import compare_translations
from brain_bundles.evaluation.translation_method import NetworkMethod, TranslationMethod, trained_method
from brain_bundles.evaluation.translation_subject import with_segmentations
from brain_bundles.evaluation.ventricle_atlas import load_ventricle_atlas

__all__ = [
    "KnownBrains",
    "Measurement",
    "NetworkMethod",
    "SamplerRow",
    "TranslationMethod",
    "benchmark_samplers",
    "calibrate_draws",
    "compare_populations",
    "compare_translations",
    "evaluate_generated",
    "evaluate_segmentation",
    "find_look",
    "load_ventricle_atlas",
    "measure_brains",
    "measure_folder",
    "save_look",
    "trained_method",
    "with_segmentations",
]
