"""The end of a failed run names the cause."""

from __future__ import annotations

import subprocess
import sys

import pytest
from brain_bundles.utils.failure import cause_of
from brain_bundles.utils.loading import read_plain
from monai.bundle import ConfigParser


def error_of(config: dict) -> BaseException:
    with pytest.raises(Exception) as found:  # noqa: PT011  # whatever MONAI wraps it into
        ConfigParser(config).get_parsed_content("x")
    return found.value


def test_of_components_within_components_it_is_the_innermost():
    inner = {"_target_": "brain_bundles.data.grid_affine", "spacing": -1.0, "spatial_size": [2, 2, 2]}
    error = error_of({"x": {"_target_": "builtins.dict", "a": {"_target_": "builtins.dict", "b": inner}}})
    assert "Failed to instantiate" in str(error)
    assert "spatial_size [2, 2, 2] and spacing -1.0" in str(cause_of(error))


def test_what_a_library_said_below_our_own_message_is_left_out(tmp_path):
    (tmp_path / "m.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be read as plain tensors") as found:
        read_plain(tmp_path / "m.pt")
    assert cause_of(found.value) is found.value


def test_without_an_error_of_ours_it_is_the_innermost():
    error = error_of({"x": {"_target_": "builtins.int", "_args_": [], "nonsense": 1}})
    assert isinstance(cause_of(error), TypeError)


def test_a_failed_run_ends_with_it():
    code = (
        "from brain_bundles.utils.failure import end_with_the_cause; end_with_the_cause(); end_with_the_cause()\n"
        "try:\n    int('x')\nexcept ValueError as error:\n    raise RuntimeError('wrapped') from error"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("The cause: ValueError: invalid literal for int()")
    assert done.stderr.count("The cause") == 1
