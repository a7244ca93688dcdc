"""The form of a file is what is asked for, or what its ending says."""

from __future__ import annotations

import pytest
from brain_bundles.export import form_of


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        ("a.onnx", None, "onnx"),
        ("b/a.TS", None, "torchscript"),
        ("a.pt", None, "torchscript"),
        ("a.pt", "torchscript", "torchscript"),
        ("model", "onnx", "onnx"),
    ],
)
def test_a_form_is_chosen(path, form, expected):
    assert form_of(path, form) == expected


@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("a.onnx", "tflite", "form is 'tflite'; allowed: onnx, torchscript"),
        ("a.bin", None, r"a\.bin ends in none of \.onnx, \.ts, \.pt; give --form onnx or torchscript"),
        ("a.onnx", "torchscript", r"form is 'torchscript', but a\.onnx has the ending of onnx"),
    ],
)
def test_other_forms_are_refused(path, form, message):
    with pytest.raises(ValueError, match=message):
        form_of(path, form)
