"""What is this bundle's own: the switchable normalisation that turns one contrast's latent into another's."""

from brain_mri_adaptive_translator.ms_spade import MSSPADE, MSSPADEBlock, SelfModulatedSPADE, SwitchableSPADE

__all__ = ["MSSPADE", "MSSPADEBlock", "SelfModulatedSPADE", "SwitchableSPADE"]
