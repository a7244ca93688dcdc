"""Inputs and outputs of one run: conditions, inputs of a translation, the output folder, its record and its picture."""

from brain_bundles.runs.conditions import make_condition_table
from brain_bundles.runs.provenance import start_provenance
from brain_bundles.runs.run_output import RunOutput
from brain_bundles.runs.run_picture import write_preview, write_translation_preview
from brain_bundles.runs.segmentation_inputs import segmentation_inputs
from brain_bundles.runs.segmentation_picture import write_segmentation_preview
from brain_bundles.runs.segmentation_tables import write_segmentation_tables
from brain_bundles.runs.translation_inputs import TranslationInputs, translation_inputs

__all__ = [
    "RunOutput",
    "TranslationInputs",
    "make_condition_table",
    "segmentation_inputs",
    "start_provenance",
    "translation_inputs",
    "write_preview",
    "write_segmentation_preview",
    "write_segmentation_tables",
    "write_translation_preview",
]
