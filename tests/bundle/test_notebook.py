"""The notebook of the docs runs from its first cell to its last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "tutorials" / "python.ipynb"


def cells() -> list[str]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_no_cell_keeps_an_output():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in content["cells"])


def test_every_cell_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, object] = {}
    for number, cell in enumerate(cells(), 1):
        try:
            exec(compile(cell, f"cell {number}", "exec"), names)
        except Exception as error:
            pytest.fail(f"cell {number}: {error!r}")
    printed = capsys.readouterr().out
    assert "1 of 1" in printed
    assert "unknown contrast 'DWI'" in printed
    assert (Path(str(names["folder"])) / "translated.png").is_file()
    volumes = names["brain"].volumes  # type: ignore[attr-defined]
    assert 700 < volumes["brain_volume"] < volumes["intracranial_volume"] < 2150
    assert float(str(names["dice"])) > 0.9
    difference = names["again"]["FLAIR"] - names["made"]["FLAIR"]  # type: ignore[index]
    assert float(difference.abs().max()) < 2**-14  # a step of the file, which has the data type of its source
