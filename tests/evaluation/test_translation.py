import builtins
import json
import logging

import numpy as np
import pytest
import torch
from brain_bundles.data import bids_datalist, write_nifti, write_participants
from brain_bundles.evaluation import evaluate_translation
from brain_bundles.evaluation.translation_report import METRICS, error_scale
from brain_bundles.transforms import image_preprocessing
from brain_bundles.utils import derive_seed

SIZE = (18, 20, 16)
BASELINES = ["copy", "intensity regression"]


@pytest.fixture
def dataset(tmp_path):
    """Balls of noise. T2w is 1 - 0.8 T1w within the ball, but for a little noise; the last two are the test split."""
    rng = np.random.default_rng(0)
    radius = np.sqrt(((np.stack(np.indices(SIZE)).T - (np.array(SIZE) - 1) / 2) ** 2).sum(-1)).T
    ball = radius < 7
    rows = []
    for i in range(5):
        name = f"sub-{i + 1:02d}"
        t1 = rng.uniform(0.1, 1, SIZE)
        t2 = (1 - 0.8 * t1 + rng.normal(0, 0.02, SIZE)).clip(0.05, 1)
        for suffix, image in (("T1w", t1), ("T2w", t2)):
            write_nifti(tmp_path / name / "anat" / f"{name}_{suffix}.nii.gz", image * ball, np.eye(4))
        rows.append({"participant_id": name, "split": "train" if i < 2 else "test"})
    write_participants(tmp_path, rows)
    return tmp_path


@pytest.fixture
def evaluate(dataset):
    def run(predictors, **options):
        out = dataset / "out"
        lists = [bids_datalist(dataset, ["T1w", "T2w"], split, covariates=()) for split in ("test", "train")]
        preprocessing = image_preprocessing(["T1w", "T2w"], 1.0, SIZE)
        arguments = {"spacing": 1.0, "ms_ssim_kernel_size": 3, **options}
        metrics = evaluate_translation(*lists, preprocessing, "T1w", "T2w", predictors, out, **arguments)
        assert json.loads((out / "metrics.json").read_text()) == metrics
        return metrics, out

    return run


@pytest.fixture
def truth(dataset):
    """A predictor that knows the answers by the source that it is given."""
    preprocessing = image_preprocessing(["T1w", "T2w"], 1.0, SIZE)
    known = [preprocessing(item) for item in bids_datalist(dataset, ["T1w", "T2w"], covariates=())]

    def predict(source, seeds):
        return next(item["T2w"][None] for item in known if torch.equal(item["T1w"].as_tensor()[None], source))

    return predict


def black(source, seeds):
    return torch.zeros_like(source)


def test_perfect_and_bad_predictors_stand_at_their_ends(evaluate, truth):
    metrics, _ = evaluate({"truth": truth, "black": black})
    methods = metrics["methods"]
    assert list(methods) == [*BASELINES, "truth", "black"]
    assert all(list(values) == list(METRICS) for values in methods.values())
    assert methods["truth"]["mae"] == {"mean": 0, "std": 0}
    assert methods["truth"]["ssim"]["mean"] == pytest.approx(1, abs=1e-6)  # float32
    assert methods["truth"]["psnr"] == {"mean": None, "std": None}  # infinite
    assert methods["black"]["nmse"]["mean"] == pytest.approx(1)  # sum b^2 / sum b^2
    assert methods["copy"]["ms_ssim"]["mean"] is None  # 18 voxels are too few for five scales
    assert (metrics["num_subjects"], metrics["num_train_subjects"]) == (3, 2)
    assert (metrics["data_range"], metrics["slice_axis"], metrics["spatial_size"]) == (1.0, 2, list(SIZE))


def test_the_regression_finds_the_relation_that_the_copy_lacks(evaluate):
    methods = evaluate({})[0]["methods"]
    # Noise of 0.02 in a T2w of span 0.8: 0.025 after scaling, of which the mean absolute value is 0.02.
    assert 0.01 < methods["intensity regression"]["mae"]["mean"] < 0.05
    assert methods["copy"]["mae"]["mean"] > 0.3


def test_the_means_are_those_of_the_rows(evaluate):
    metrics, out = evaluate({"half": lambda source, seeds: source / 2})
    lines = [line.split("\t") for line in (out / "scores.tsv").read_text().splitlines()]
    assert lines[0] == ["participant_id", "method", *METRICS]
    assert [line[:2] for line in lines[1:]] == [[f"sub-0{i}", m] for i in (3, 4, 5) for m in [*BASELINES, "half"]]
    column = lines[0].index("psnr")
    values = [float(line[column]) for line in lines[1:] if line[1] == "half"]
    expected = {"mean": np.mean(values), "std": np.std(values, ddof=1)}
    assert metrics["methods"]["half"]["psnr"] == pytest.approx(expected, rel=1e-4)  # six digits in the file
    assert [metrics["subjects"][f"sub-0{i}"]["half"]["psnr"] for i in (3, 4, 5)] == pytest.approx(values, rel=1e-4)
    assert {line[lines[0].index("ms_ssim")] for line in lines[1:]} == {"n/a"}


def test_the_table_is_readable(evaluate, truth):
    text = (evaluate({"truth": truth, "black": black})[1] / "metrics.md").read_text()
    assert text.startswith("# Translation of T1w to T2w\n")
    assert "| method | MAE ↓ | PSNR (dB) ↑ | SSIM ↑ |" in text
    assert "| truth | 0.0000 ± 0.0000 | n/a | 1.0000 ± 0.0000 | n/a | 0.0000 ± 0.0000 |" in text
    assert "over 3 subjects" in text
    assert "neighbouring axial slices" in text
    assert "nan" not in text.lower().replace("n/a", "")


def test_the_picture_shows_the_middle_subject_of_the_last_method(evaluate, monkeypatch, truth):
    pytest.importorskip("matplotlib")
    assert (evaluate({"truth": truth})[1] / "comparison.png").read_bytes().startswith(b"\x89PNG")
    shown = {}

    def save_montage(path, volumes, labels, **options):
        shown.update(options, volumes=volumes, labels=labels)

    monkeypatch.setattr("brain_bundles.evaluation.translation_report.save_montage", save_montage)
    factors = iter([0.2, 0.9, 0.4, 0.4])  # the middle is not in the middle of the list; the fourth is the picture's

    def worse(source, seeds):
        return source * next(factors)

    _, out = evaluate({"worse": worse})
    lines = [line.split("\t") for line in (out / "scores.tsv").read_text().splitlines()]
    psnr = {line[0]: float(line[3]) for line in lines[1:] if line[1] == "worse"}
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


def test_errors_are_brightened_as_far_as_they_allow():
    """99 % of the errors below 0.3: three times 0.3 would still fit, but the factor is a power of two."""
    assert error_scale(torch.tensor([0.3] * 999 + [0.9])) == 2
    assert error_scale(torch.ones(10)) == 1
    assert error_scale(torch.zeros(10)) == error_scale(torch.zeros(0)) == 16


def test_without_matplotlib_there_are_numbers_and_a_warning(evaluate, monkeypatch, caplog):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with caplog.at_level(logging.WARNING):
        _, out = evaluate({})
    assert "No comparison.png: Pictures need matplotlib" in caplog.text
    assert (out / "metrics.md").is_file()
    assert not (out / "comparison.png").exists()


def test_a_subject_s_seed_is_its_own(evaluate):
    seen = []

    def predict(source, seeds):
        seen.extend(seeds)
        return source

    evaluate({"first": predict, "second": predict}, seed=3)
    expected = [derive_seed(3, "evaluate", f"sub-0{i}") for i in (3, 4, 5)]
    assert seen[:6] == [s for s in expected for _ in range(2)]
    assert seen[6] == seen[7]  # the picture's subject
    assert seen[6] in expected


def test_what_leaves_the_range_is_clipped_as_in_files(evaluate):
    metrics, _ = evaluate(
        {"white": lambda source, seeds: torch.ones_like(source), "bright": lambda s, seeds: s * 0 + 9}
    )
    assert metrics["methods"]["bright"]["mae"] == metrics["methods"]["white"]["mae"]


def test_the_regression_can_be_fitted_to_fewer(evaluate):
    metrics, out = evaluate({}, num_train_subjects=1)
    assert metrics["num_train_subjects"] == 1
    assert "fitted to 1 training subjects" in (out / "metrics.md").read_text()


def test_training_subjects_in_the_test_set_are_noticed(dataset, caplog):
    items = bids_datalist(dataset, ["T1w", "T2w"], covariates=())
    preprocessing = image_preprocessing(["T1w", "T2w"], 1.0, SIZE)
    with caplog.at_level(logging.WARNING):
        evaluate_translation(items[:2], items[1:], preprocessing, "T1w", "T2w", {}, dataset / "out", spacing=1.0)
    assert "1 test subjects are training subjects too" in caplog.text


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda source, seeds: source[0], r"sub-03, bad: its shape is \(1, 18, 20, 16\), expected .* \(1, 1, 18, 20"),
        (lambda source, seeds: source * torch.nan, "sub-03, bad: prediction has NaN or infinite voxels"),
        (lambda source, seeds: source / 0, "sub-03, bad: prediction has NaN or infinite voxels"),
    ],
)
def test_bad_predictions_are_named(evaluate, predict, message):
    with pytest.raises(ValueError, match=message):
        evaluate({"bad": predict})


def test_bad_arguments_are_named(evaluate, tmp_path):
    with pytest.raises(ValueError, match="predictors: 'copy' is the name of a baseline"):
        evaluate({"copy": black})
    with pytest.raises(ValueError, match="num_train_subjects must be at least 1, or None for all, got 0"):
        evaluate({}, num_train_subjects=0)
    item = {"participant_id": "sub-01", "T1w": "a.nii.gz", "T2w": "b.nii.gz"}
    tail = (dict, "T1w", "T2w", {}, tmp_path)
    with pytest.raises(ValueError, match="train_datalist is empty; check the dataset and its split column"):
        evaluate_translation([item], [], *tail, spacing=1.0)
    with pytest.raises(ValueError, match="test_datalist: sub-02 has no T2w"):
        evaluate_translation([{"participant_id": "sub-02", "T1w": "a.nii.gz"}], [item], *tail, spacing=1.0)
    with pytest.raises(ValueError, match="test_datalist: participant_id sub-01 more than once"):
        evaluate_translation([item, item], [item], *tail, spacing=1.0)
    flat = {"T1w": torch.zeros(4, 4, 4), "T2w": torch.zeros(4, 4, 4)}
    with pytest.raises(ValueError, match=r"sub-01: T1w and T2w have shapes \(4, 4, 4\) and \(4, 4, 4\), expected one"):
        evaluate_translation([item], [item], lambda item: flat, "T1w", "T2w", {}, tmp_path, spacing=1.0)
