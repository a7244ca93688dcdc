"""Handlers that MONAI lacks: full resume, progress, averages of weights, previews, savers, tracking."""

from brain_bundles.handlers.checkpoint import ResumableCheckpoint
from brain_bundles.handlers.ema import EMAHandler
from brain_bundles.handlers.gradient_clip import GradientClip
from brain_bundles.handlers.image_preview import ImagePreview
from brain_bundles.handlers.latent_statistics import LatentStatisticsHandler
from brain_bundles.handlers.model_saver import ModelSaver
from brain_bundles.handlers.progress_bar import ProgressBar
from brain_bundles.handlers.sample_saver import SampleSaver
from brain_bundles.handlers.segmentation_saver import SegmentationSaver
from brain_bundles.handlers.structure_dice import StructureDice
from brain_bundles.handlers.tracking import MLflowTracking, TensorBoardTracking
from brain_bundles.handlers.translation_saver import TranslationSaver
from brain_bundles.handlers.volume_saver import VolumeSaver

__all__ = [
    "EMAHandler",
    "GradientClip",
    "ImagePreview",
    "LatentStatisticsHandler",
    "MLflowTracking",
    "ModelSaver",
    "ProgressBar",
    "ResumableCheckpoint",
    "SampleSaver",
    "SegmentationSaver",
    "StructureDice",
    "TensorBoardTracking",
    "TranslationSaver",
    "VolumeSaver",
]
