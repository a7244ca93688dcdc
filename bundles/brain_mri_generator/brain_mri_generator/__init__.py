"""Networks of the brain generator: the one that samples, and the two baselines that it is compared with."""

from brain_mri_generator.code_sampler import CodeSampler
from brain_mri_generator.lsgan_trainer import LSGANTrainer
from brain_mri_generator.networks import ConditionedDiffusionUNet
from brain_mri_generator.sample_diversity import SampleDiversity
from brain_mri_generator.sample_rows import sample_rows
from brain_mri_generator.vaegan import VAEGAN
from brain_mri_generator.vaegan_trainer import VAEGANTrainer
from brain_mri_generator.volume_generator import VolumeGenerator

__all__ = [
    "VAEGAN",
    "CodeSampler",
    "ConditionedDiffusionUNet",
    "LSGANTrainer",
    "SampleDiversity",
    "VAEGANTrainer",
    "VolumeGenerator",
    "sample_rows",
]
