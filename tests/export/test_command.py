"""The command writes the file of the function, and says what is in it."""

from __future__ import annotations

import json

import pytest
from brain_bundles import cli

from .conftest import BUNDLES, TINY, load_file

NAME = "brain_mri_segmenter"


@pytest.fixture
def words(weights) -> list[str]:
    options = {"ckpt_dir": weights[NAME], **TINY[NAME]}
    return ["export", str(BUNDLES / NAME), *(f"--{key}={value}" for key, value in options.items())]


def test_a_file_is_written_and_described(words, tmp_path, capsys, caplog):
    path = tmp_path / "model.ts"
    assert cli.main([*words, "--output_file", str(path)]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["bundle"], about["form"]) == (NAME, "torchscript")
    assert about["inputs"]["image"]["shape"] == [1, 1, 48, 48, 48]
    size = path.stat().st_size
    assert load_file(path)
    assert cli.main([*words, "--output_file", str(path)]) == 1
    assert f"{path} exists; give another --output_file, or --overwrite" in caplog.text
    assert cli.main([*words, "--output_file", str(path), "--overwrite", "--flip=True"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == {"flip": True}
    assert path.stat().st_size != size


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--output_file=a.onnx", "--form=tflite"], 2, "form is 'tflite'; allowed: onnx, torchscript"),
        (["--output_file=a.ts", "--flipp=True"], 2, "no option 'flipp'; did you mean flip"),
        (["--output_file=a.ts", "--precision=bf16"], 1, "precision: an export sets this itself"),
        (["--output_file=a.ts", "--overwrite=yes"], 2, "overwrite is True or False, got 'yes'"),
        ([], 2, ""),
    ],
)
def test_wrong_commands_say_what_is_wrong(words, tmp_path, monkeypatch, caplog, more, code, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*words, *more]) == code
    assert message in caplog.text
    assert list(tmp_path.iterdir()) == []
