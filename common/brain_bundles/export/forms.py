"""The forms of an exported file, and the choice of one."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from brain_bundles.export import onnx_form, torchscript_form

# Each has check_packages, encode, run and with_description.
FORMS: dict[str, ModuleType] = {"onnx": onnx_form, "torchscript": torchscript_form}
ENDINGS = {".onnx": "onnx", ".ts": "torchscript", ".pt": "torchscript"}


def form_of(output_file: str | os.PathLike[str], form: str | None = None) -> str:
    """The form of a file: what is asked for, or what its ending says.

    Raises:
        ValueError: for an unknown form, an ending that says nothing, or one that says another form.
    """
    by_ending = ENDINGS.get(Path(output_file).suffix.lower())
    if form is not None and form not in FORMS:
        raise ValueError(f"form is {form!r}; allowed: {', '.join(FORMS)}.")
    if form is None and by_ending is None:
        raise ValueError(f"{output_file} ends in none of {', '.join(ENDINGS)}; give --form {' or '.join(FORMS)}.")
    if form is not None and by_ending not in (None, form):
        raise ValueError(f"form is {form!r}, but {output_file} has the ending of {by_ending}.")
    return form or str(by_ending)
