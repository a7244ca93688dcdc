"""Scanners: what a head looks like in an image. A new sequence or artefact is one class here and one line of config."""

from brain_bundles.phantom.scanner.acquisition import Acquisition, acquisition_of
from brain_bundles.phantom.scanner.artefact import Artefact, Signal
from brain_bundles.phantom.scanner.k_space import Ghosting, Gibbs, Motion
from brain_bundles.phantom.scanner.levels import Levels, RandomLevels, SignalLevels
from brain_bundles.phantom.scanner.post_processing import BrainMask, FieldOfView, Gamma
from brain_bundles.phantom.scanner.receive_coil import BiasField, Noise
from brain_bundles.phantom.scanner.resolution import Blur, ThickSlices
from brain_bundles.phantom.scanner.sequences import Mprage, SequenceFamily, SequenceRanges, varied_families
from brain_bundles.phantom.scanner.settings import Scan

__all__ = [
    "Acquisition",
    "Artefact",
    "BiasField",
    "Blur",
    "BrainMask",
    "FieldOfView",
    "Gamma",
    "Ghosting",
    "Gibbs",
    "Levels",
    "Motion",
    "Mprage",
    "Noise",
    "RandomLevels",
    "Scan",
    "SequenceFamily",
    "SequenceRanges",
    "Signal",
    "SignalLevels",
    "ThickSlices",
    "acquisition_of",
    "varied_families",
]
