"""Distances between sets of brain images in the feature space of an encoder."""

from brain_bundles.evaluation.features.comparison import FeatureComparison, compare_features
from brain_bundles.evaluation.features.encoder import EncoderRecord, FeatureEncoder, extract_features
from brain_bundles.evaluation.features.med3d import Med3DEncoder
from brain_bundles.evaluation.features.network_encoder import NetworkEncoder
from brain_bundles.evaluation.features.phantom_series import make_phantom_series
from brain_bundles.evaluation.features.radimagenet import RadImageNetEncoder
from brain_bundles.evaluation.features.report import markdown, write_comparisons
from brain_bundles.evaluation.features.segmenter_encoder import second_encoder, segmenter_encoder
from brain_bundles.evaluation.features.sensitivity import sensitivity, sensitivity_table

__all__ = [
    "EncoderRecord",
    "FeatureComparison",
    "FeatureEncoder",
    "Med3DEncoder",
    "NetworkEncoder",
    "RadImageNetEncoder",
    "compare_features",
    "extract_features",
    "make_phantom_series",
    "markdown",
    "second_encoder",
    "segmenter_encoder",
    "sensitivity",
    "sensitivity_table",
    "write_comparisons",
]
