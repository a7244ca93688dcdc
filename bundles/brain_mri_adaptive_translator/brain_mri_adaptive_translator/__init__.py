"""Networks of the adaptive one-to-many translator (Kim & Park 2024, arXiv:2311.00265)."""

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder, AdaptiveOutput
from brain_mri_adaptive_translator.ms_spade import MSSPADE, MSSPADEBlock, SelfModulatedSPADE, SwitchableSPADE
from brain_mri_adaptive_translator.target_unet import TargetDiffusionUNet, target_condition

__all__ = [
    "MSSPADE",
    "AdaptiveAutoencoder",
    "AdaptiveOutput",
    "MSSPADEBlock",
    "SelfModulatedSPADE",
    "SwitchableSPADE",
    "TargetDiffusionUNet",
    "target_condition",
]
