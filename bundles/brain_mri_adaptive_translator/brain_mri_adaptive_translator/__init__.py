"""Networks of the adaptive one-to-many translator and their training (Kim & Park 2024, arXiv:2311.00265)."""

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder, AdaptiveOutput
from brain_mri_adaptive_translator.adaptive_trainer import AdaptiveAutoencoderTrainer
from brain_mri_adaptive_translator.adaptive_translator import AdaptiveTranslator
from brain_mri_adaptive_translator.diffusion_prepare_batch import TargetDiffusionPrepareBatch
from brain_mri_adaptive_translator.ms_spade import MSSPADE, MSSPADEBlock, SelfModulatedSPADE, SwitchableSPADE
from brain_mri_adaptive_translator.one_to_many_unet import OneToManyInferer, OneToManyUNet
from brain_mri_adaptive_translator.pair_validation import ReconstructionAndTranslation
from brain_mri_adaptive_translator.preview_translations import PreviewTranslations
from brain_mri_adaptive_translator.residual_preconditioning import ResidualPreconditioning, measure_residuals
from brain_mri_adaptive_translator.source_latents import SourceLatents
from brain_mri_adaptive_translator.spade_training import (
    LatentPairPrepareBatch,
    LatentTranslation,
    measure_channel_std,
)
from brain_mri_adaptive_translator.target_unet import TargetDiffusionUNet, target_condition

__all__ = [
    "MSSPADE",
    "AdaptiveAutoencoder",
    "AdaptiveAutoencoderTrainer",
    "AdaptiveOutput",
    "AdaptiveTranslator",
    "LatentPairPrepareBatch",
    "LatentTranslation",
    "MSSPADEBlock",
    "OneToManyInferer",
    "OneToManyUNet",
    "PreviewTranslations",
    "ReconstructionAndTranslation",
    "ResidualPreconditioning",
    "SelfModulatedSPADE",
    "SourceLatents",
    "SwitchableSPADE",
    "TargetDiffusionPrepareBatch",
    "TargetDiffusionUNet",
    "measure_channel_std",
    "measure_residuals",
    "target_condition",
]
