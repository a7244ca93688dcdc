"""Transforms between image files and model inputs that MONAI does not have."""

from brain_bundles.transforms.background import foreground
from brain_bundles.transforms.centre_brain import CentreBraind, brain_bounds
from brain_bundles.transforms.contrast_pair import ContrastPreprocessing, RandContrastPair
from brain_bundles.transforms.encode_condition import EncodeConditiond
from brain_bundles.transforms.intensity import ScaleForeground, ScaleForegroundd
from brain_bundles.transforms.intensity_refinement import refine_by_intensity
from brain_bundles.transforms.preprocessing import image_preprocessing, invert_preprocessing
from brain_bundles.transforms.random_slices import RandSlicesd
from brain_bundles.transforms.random_surroundings import RandSurroundingsd
from brain_bundles.transforms.read_image import ReadImaged
from brain_bundles.transforms.sample_postprocessing import sample_postprocessing
from brain_bundles.transforms.segmentation import NoHeadError, Segmentation, classify, segment
from brain_bundles.transforms.segmentation_postprocessing import segmentation_postprocessing
from brain_bundles.transforms.segmentation_preprocessing import segmentation_preprocessing
from brain_bundles.transforms.translation_postprocessing import translation_postprocessing

__all__ = [
    "CentreBraind",
    "ContrastPreprocessing",
    "EncodeConditiond",
    "NoHeadError",
    "RandContrastPair",
    "RandSlicesd",
    "RandSurroundingsd",
    "ReadImaged",
    "ScaleForeground",
    "ScaleForegroundd",
    "Segmentation",
    "brain_bounds",
    "classify",
    "foreground",
    "image_preprocessing",
    "invert_preprocessing",
    "refine_by_intensity",
    "sample_postprocessing",
    "segment",
    "segmentation_postprocessing",
    "segmentation_preprocessing",
    "translation_postprocessing",
]
