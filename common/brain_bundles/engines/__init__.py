"""Trainers on top of MONAI's, with batches and noise that do not depend on the number of processes."""

from brain_bundles.engines.autoencoder_trainer import AutoencoderTrainer, TrainingResults
from brain_bundles.engines.condition_prepare_batch import ConditionPrepareBatch
from brain_bundles.engines.cyclegan_trainer import CycleGANTrainer
from brain_bundles.engines.decoder_trainer import DecoderTrainer
from brain_bundles.engines.image_diffusion_prepare_batch import ImageDiffusionPrepareBatch
from brain_bundles.engines.image_pool import ImagePool
from brain_bundles.engines.muon import Muon
from brain_bundles.engines.muon_groups import muon_groups
from brain_bundles.engines.per_sample_noise import per_sample_randn, per_sample_sampling
from brain_bundles.engines.prepare_batch import LatentDiffusionPrepareBatch
from brain_bundles.engines.scalar_losses import scalar_losses
from brain_bundles.engines.step_distillation import StepDistillationPrepareBatch
from brain_bundles.engines.translation_prepare_batch import TranslationPrepareBatch

__all__ = [
    "AutoencoderTrainer",
    "ConditionPrepareBatch",
    "CycleGANTrainer",
    "DecoderTrainer",
    "ImageDiffusionPrepareBatch",
    "ImagePool",
    "LatentDiffusionPrepareBatch",
    "Muon",
    "StepDistillationPrepareBatch",
    "TrainingResults",
    "TranslationPrepareBatch",
    "muon_groups",
    "per_sample_randn",
    "per_sample_sampling",
    "scalar_losses",
]
