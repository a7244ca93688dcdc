from __future__ import annotations

import builtins
import logging

import pytest
import torch
from brain_bundles.evaluation.translation_pictures import error_scale


@pytest.fixture
def shown(monkeypatch):
    """Arguments of the picture that is drawn."""
    pytest.importorskip("matplotlib")
    arguments = {}

    def save_montage(path, volumes, labels, **options):
        arguments.update(options, path=path, volumes=volumes, labels=labels)

    monkeypatch.setattr("brain_bundles.evaluation.translation_pictures.save_montage", save_montage)
    return arguments


def test_one_cell_has_a_picture(compare_one, truth):
    pytest.importorskip("matplotlib")
    assert (compare_one({"truth": truth})[1] / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_shows_the_middle_subject_of_the_last_method(compare_one, shown):
    factors = iter([0.2, 0.9, 0.4, 0.4])  # the middle is not in the middle of the list; the fourth is the picture's

    def worse(source, *, targets, seeds):
        return source * next(factors)

    _, out = compare_one({"worse": worse})
    lines = [line.split("\t") for line in (out / "scores.tsv").read_text().splitlines()]
    psnr = {line[0]: float(line[lines[0].index("psnr")]) for line in lines[1:] if line[1] == "worse"}
    middle = sorted(psnr, key=psnr.__getitem__)[1]
    assert shown["title"] == f"{middle}: T1w to T2w"
    assert [label.split(":")[0] for label in shown["labels"][:2]] == ["source", "target"]
    label = shown["labels"][-1]
    assert label.startswith("worse: |error| x ")
    scale = int(label.split()[-1])
    assert shown["labels"][-2].startswith(f"worse: PSNR {psnr[middle]:.2f} dB")
    source, target, copy, error = shown["volumes"][:4]
    torch.testing.assert_close(copy, source)
    torch.testing.assert_close(error, scale * (source - target).abs())


def test_the_matrix_is_that_of_the_last_method_that_makes_every_cell(compare_all, shifted, make_subjects, shown):
    def pair(source, *, targets, seeds):
        return source

    compare_all(methods={"shifted": shifted, "pix2pix": {"T1w to T2w": pair}})
    assert shown["path"].name == "matrix.png"
    assert shown["labels"][:4] == ["T1w (true)", "T1w to T2w", "T1w to FLAIR", "T2w to T1w"]
    item = next(item for item in make_subjects(3) if item["participant_id"] == shown["title"])
    torch.testing.assert_close(shown["volumes"][0], item["T1w"][0])
    torch.testing.assert_close(shown["volumes"][1], item["T1w"][0] + 0.1)
    assert len(shown["volumes"]) == 9  # of a subject with all three contrasts


def test_cells_that_are_not_asked_for_stay_black(compare_all, shown):
    compare_all(cells=[("T1w", "T2w"), ("T2w", "FLAIR")])
    assert shown["labels"] == ["T1w (true)", "T1w to T2w", "", "", "T2w (true)", "T2w to FLAIR", "", "", "FLAIR (true)"]
    assert float(shown["volumes"][2].max()) == 0


def test_errors_are_brightened_as_far_as_they_allow():
    """99 % of the errors below 0.3: three times 0.3 would still fit, but the factor is a power of two."""
    assert error_scale(torch.tensor([0.3] * 999 + [0.9])) == 2
    assert error_scale(torch.ones(10)) == 1
    assert error_scale(torch.zeros(10)) == error_scale(torch.zeros(0)) == 16


@pytest.mark.parametrize("cells", [[("T1w", "T2w")], ["T1w", "T2w"]])
def test_without_matplotlib_there_are_numbers_and_a_warning(compare_one, monkeypatch, caplog, cells):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with caplog.at_level(logging.WARNING):
        _, out = compare_one({}, cells=cells)
    name = "comparison.png" if len(cells) == 1 else "matrix.png"
    assert f"No {name}: Pictures need matplotlib" in caplog.text
    assert (out / "metrics.md").is_file()
    assert not (out / name).exists()
