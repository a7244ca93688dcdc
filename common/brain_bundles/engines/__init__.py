"""Trainers on top of MONAI's, and what makes them run alike on one process and many."""

from brain_bundles.engines.autoencoder_trainer import AutoencoderTrainer, TrainingResults
from brain_bundles.engines.condition_prepare_batch import ConditionPrepareBatch
from brain_bundles.engines.muon_groups import muon_groups
from brain_bundles.engines.per_sample_noise import per_sample_randn, per_sample_sampling
from brain_bundles.engines.prepare_batch import LatentDiffusionPrepareBatch
from brain_bundles.engines.scalar_losses import scalar_losses
from brain_bundles.engines.translation_prepare_batch import TranslationPrepareBatch

__all__ = [
    "AutoencoderTrainer",
    "ConditionPrepareBatch",
    "LatentDiffusionPrepareBatch",
    "TrainingResults",
    "TranslationPrepareBatch",
    "muon_groups",
    "per_sample_randn",
    "per_sample_sampling",
    "scalar_losses",
]
