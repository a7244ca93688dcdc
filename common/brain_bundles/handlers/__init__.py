"""What MONAI's handlers lack: full resume, progress, averages of weights, previews."""

from brain_bundles.handlers.checkpoint import ResumableCheckpoint
from brain_bundles.handlers.ema import EMAHandler
from brain_bundles.handlers.evaluation import evaluate_generated
from brain_bundles.handlers.gradient_clip import GradientClip
from brain_bundles.handlers.latent_statistics import LatentStatisticsHandler
from brain_bundles.handlers.losses import scalar_losses
from brain_bundles.handlers.measurement import Measurement, measure_folder
from brain_bundles.handlers.model_saver import ModelSaver, save_network
from brain_bundles.handlers.montage import plane_image, save_montage
from brain_bundles.handlers.preview import ImagePreview, Reconstructions, Samples
from brain_bundles.handlers.progress_bar import ProgressBar
from brain_bundles.handlers.sample_saver import SampleSaver, write_preview
from brain_bundles.handlers.sampler_benchmark import benchmark_samplers
from brain_bundles.handlers.translation_evaluation import evaluate_translation
from brain_bundles.handlers.translation_saver import TranslationSaver, write_translation_preview

__all__ = [
    "EMAHandler",
    "GradientClip",
    "ImagePreview",
    "LatentStatisticsHandler",
    "Measurement",
    "ModelSaver",
    "ProgressBar",
    "Reconstructions",
    "ResumableCheckpoint",
    "SampleSaver",
    "Samples",
    "TranslationSaver",
    "benchmark_samplers",
    "evaluate_generated",
    "evaluate_translation",
    "measure_folder",
    "plane_image",
    "save_montage",
    "save_network",
    "scalar_losses",
    "write_preview",
    "write_translation_preview",
]
