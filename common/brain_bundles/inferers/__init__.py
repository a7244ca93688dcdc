"""Inferers on top of MONAI's: sampling, translation, and the forward pass of training."""

from brain_bundles.inferers.autocast_diffusion_inferer import AutocastDiffusionInferer
from brain_bundles.inferers.autocast_inferer import AutocastInferer
from brain_bundles.inferers.denoise import denoise
from brain_bundles.inferers.denoiser import Denoiser
from brain_bundles.inferers.draws import check_num_draws, mean_and_deviation
from brain_bundles.inferers.latent_decoder import LatentDecoder
from brain_bundles.inferers.latent_sampler import LatentSampler
from brain_bundles.inferers.reconstruction import ReconstructionInferer
from brain_bundles.inferers.segmentation_inferer import SegmentationInferer
from brain_bundles.inferers.slice_windows import SliceWindows
from brain_bundles.inferers.spread_calibration import SpreadCalibration
from brain_bundles.inferers.tensor_modules import TensorModule, WalkModule, check_one_draw, random_image
from brain_bundles.inferers.volume_translator import VolumeTranslator

__all__ = [
    "AutocastDiffusionInferer",
    "AutocastInferer",
    "Denoiser",
    "LatentDecoder",
    "LatentSampler",
    "ReconstructionInferer",
    "SegmentationInferer",
    "SliceWindows",
    "SpreadCalibration",
    "TensorModule",
    "VolumeTranslator",
    "WalkModule",
    "check_num_draws",
    "check_one_draw",
    "denoise",
    "mean_and_deviation",
    "random_image",
]
