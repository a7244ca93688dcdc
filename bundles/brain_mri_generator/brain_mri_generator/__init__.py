"""The brain generator: its sampling network, the reader that corrects its conditions, and the two baselines."""

from brain_mri_generator.code_sampler import CodeSampler
from brain_mri_generator.condition_calibration import calibrate_condition_reader
from brain_mri_generator.condition_correction import ConditionCorrection, load_condition_correction
from brain_mri_generator.condition_fit import fit_condition_reader
from brain_mri_generator.condition_reader import ConditionReader
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
    "ConditionCorrection",
    "ConditionReader",
    "ConditionedDiffusionUNet",
    "LSGANTrainer",
    "SampleDiversity",
    "VAEGANTrainer",
    "VolumeGenerator",
    "calibrate_condition_reader",
    "fit_condition_reader",
    "load_condition_correction",
    "sample_rows",
]
