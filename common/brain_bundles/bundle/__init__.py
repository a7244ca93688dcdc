"""Bundles as objects to call from Python, with the results of their commands."""

from brain_bundles.bundle.bundle import Bundle
from brain_bundles.bundle.generator import GeneratedBrain, Generator
from brain_bundles.bundle.generator_rows import evaluate_rows
from brain_bundles.bundle.load import load
from brain_bundles.bundle.paper_rows import paper_rows
from brain_bundles.bundle.segmenter import SegmentedBrain, Segmenter
from brain_bundles.bundle.translator import Translator

__all__ = [
    "Bundle",
    "GeneratedBrain",
    "Generator",
    "SegmentedBrain",
    "Segmenter",
    "Translator",
    "evaluate_rows",
    "load",
    "paper_rows",
]
