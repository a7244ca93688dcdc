import itertools
import json
import math

import nibabel as nib
import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")
from brain_bundles.data import DatasetError, read_participants, write_nifti, write_participants
from brain_bundles.evaluation import SamplerRow, evaluate_generated, measurement
from brain_bundles.evaluation.features import NetworkEncoder, extract_features
from brain_bundles.evaluation.generated_report import markdown
from brain_bundles.evaluation.image_sets import BrainImages
from brain_bundles.evaluation.tables import finite_json
from brain_bundles.metrics import BrainVolumes, band_power, frechet_distance, radial_power
from brain_bundles.transforms import ScaleForeground, image_preprocessing
from scipy import ndimage
from torch import nn

SIZE = (48, 48, 48)


def write_set(folder, num, split=None, seed=0):
    """Smooth balls with texture; the requested volumes are 10, 20, ... mL."""
    rng = np.random.default_rng(seed)
    radius = np.sqrt((np.stack(np.indices(SIZE) - 23.5) ** 2).sum(0))
    rows = []
    for i in range(num):
        name = f"sub-{i + 1:02d}"
        texture = ndimage.gaussian_filter(rng.standard_normal(SIZE), 3)
        image = (radius < 20) * (0.5 + 0.2 * texture / texture.std()).clip(0.05, 1)
        write_nifti(folder / name / "anat" / f"{name}_T1w.nii.gz", image, np.diag([2, 2, 2, 1]))
        row = {"participant_id": name, "ventricular_volume": 10.0 * (i + 1), "brain_volume": 1000.0 + i}
        rows.append(row if split is None else {**row, "split": split[i]})
    write_participants(folder, rows)
    return folder


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    """Evaluate three generated balls; the second cannot be measured, the others measure 1 mL too much."""
    generated = write_set(tmp_path / "generated", 3)
    answers = [BrainVolumes(11.0, 1001.0), BrainVolumes(math.nan, math.nan), BrainVolumes(31.0, 1003.0)]
    turns = itertools.cycle(answers)
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: next(turns))

    def run(reference, **options):
        out = tmp_path / "out"
        metrics = evaluate_generated(generated, reference, out, spatial_size=SIZE, kernel_size=3, **options)
        assert json.loads((out / "metrics.json").read_text()) == metrics
        return metrics, out

    return run


def test_every_number_is_reported(evaluate, tmp_path):
    reference = write_set(tmp_path / "reference", 6, ["train"] * 3 + ["val"] + ["test"] * 2, seed=1)
    rows = [SamplerRow("ddim", 10, 0.5, 0.12, math.nan)]
    metrics, out = evaluate(reference, num_pairs=2, seed=3, sampler_rows=rows)
    assert (metrics["num_generated"], metrics["num_reference"], metrics["reference_split"]) == (3, 2, "test")
    assert metrics["num_unmeasured"] == 1
    fidelity = metrics["fidelity"]["ventricular_volume"]
    assert (fidelity["n"], fidelity["mean_error"], fidelity["slope"]) == (2, 1.0, pytest.approx(1))
    assert (metrics["ms_ssim"]["generated"]["num_pairs"], metrics["ms_ssim"]["reference"]["num_pairs"]) == (2, 1)
    assert metrics["ms_ssim"]["reference"]["std"] is None  # one pair has no spread
    assert metrics["memorisation"]["num_training"] == 3
    assert metrics["samplers"][0]["image_error"] is None
    assert fidelity["intervals"]["mean_error"] == [1.0, 1.0]  # both are 1 mL too large
    low, high = metrics["memorisation"]["share_above_interval"]
    assert 0 <= low <= metrics["memorisation"]["share_above"] <= high <= 1
    text = (out / "metrics.md").read_text()
    assert "NaN" not in text
    assert "| ventricular volume | 2 | 1 |" in text
    assert "| ddim | 10 | 0.50 | 0.1200 | n/a |" in text
    assert (out / "requested_vs_measured.png").read_bytes().startswith(b"\x89PNG")


def test_likeness_to_the_reference_is_reported(tmp_path, monkeypatch):
    """Every column has the value of its function on the same images."""
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: BrainVolumes(11.0, 1001.0))
    generated, reference = write_set(tmp_path / "made", 12), write_set(tmp_path / "real", 12, seed=1)
    encoder = NetworkEncoder(nn.Conv3d(1, 3, 3), [""], name="one layer")
    options = {"spatial_size": SIZE, "kernel_size": 3, "num_pairs": 1, "num_four_gr_pairs": 2, "encoder": encoder}
    options |= {"num_resamples": 60}
    metrics = evaluate_generated(generated, reference, tmp_path / "out", **options)
    grid = {"spacing": 2.0, "spatial_size": SIZE, "warn_cut": None}
    made = BrainImages(sorted(generated.rglob("*.nii.gz")), image_preprocessing("image", **grid, intensity_scale=None))
    real = BrainImages(sorted(reference.rglob("*.nii.gz")), image_preprocessing("image", **grid))
    features = [extract_features(encoder, [images[i] for i in range(12)]) for images in (real, made)]
    values = metrics["features"]["values"]
    assert values["frechet_distance"] == pytest.approx(frechet_distance(*features), rel=1e-6)
    power = [np.mean([band_power(*radial_power(v, v > 0, 2.0)) for v in (images[i][0].numpy() for i in range(12))], 0)
             for images in (made, real)]  # fmt: skip
    assert metrics["power_ratio"] == pytest.approx(list(power[0] / power[1]))
    for (low, high), value in zip(metrics["power_intervals"], metrics["power_ratio"], strict=True):
        assert low < value < high
    low, high = metrics["ms_ssim"]["reference"]["interval"] or (None, None)
    assert low is high is None  # one pair
    assert metrics["four_gr_ssim"]["between"]["num_pairs"] == 2
    text = (tmp_path / "out" / "metrics.md").read_text()
    assert "Encoder: one layer" in text
    assert "## 4-G-R-SSIM" in text
    assert (
        "cycles/mm: {:.2f} [{:.2f}, {:.2f}],".format(metrics["power_ratio"][0], *metrics["power_intervals"][0]) in text
    )
    assert "In brackets: intervals of 95 %, from 60 draws" in text


def test_variance_within_conditions_needs_them_all(tmp_path, monkeypatch):
    """Twelve balls whose texture owes nothing to their conditions, and the same ones again and again."""
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: BrainVolumes(11.0, 1001.0))
    rng = np.random.default_rng(5)
    folders = [write_set(tmp_path / name, 12, seed=seed) for name, seed in (("made", 0), ("real", 1), ("one", 2))]
    for folder in folders:
        people = [
            {**row, "age": rng.uniform(40, 80), "sex": "MF"[i % 2]}
            for i, row in enumerate(read_participants(folder, ()))
        ]
        for row in people:
            row["ventricular_volume"], row["brain_volume"] = rng.uniform(10, 50), rng.uniform(900, 1300)
        (folder / "participants.tsv").unlink()
        write_participants(folder, people)
    first = nib.load(folders[2] / "sub-01" / "anat" / "sub-01_T1w.nii.gz").get_fdata()
    for path in folders[2].rglob("*.nii.gz"):
        write_nifti(path, first, np.diag([2, 2, 2, 1]))
    options = {"spatial_size": SIZE, "kernel_size": 3, "num_pairs": 1, "num_resamples": 50}
    found = [evaluate_generated(folder, folders[1], tmp_path / "out", **options) for folder in (folders[0], folders[2])]
    varied, alike = (one["conditional_variance"] for one in found)
    assert varied["generated"]["num"] == varied["reference"]["num"] == 12
    assert varied["interval"][0] < varied["ratio"] < varied["interval"][1]
    assert 0.3 < varied["ratio"] < 3
    assert alike["ratio"] < 1e-6
    assert (
        "of equal age, sex and volumes, relative to the reference's: 0.00 ["
        in (tmp_path / "out" / "metrics.md").read_text()
    )


def test_too_few_brains_have_no_distances_between_features(evaluate, tmp_path, caplog):
    encoder = NetworkEncoder(nn.Conv3d(1, 3, 3), [""], name="one layer")
    with caplog.at_level("INFO"):
        metrics, _ = evaluate(write_set(tmp_path / "reference", 2, seed=1), num_pairs=1, encoder=encoder)
    assert metrics["features"] is None
    assert "need 12 brains of each set" in caplog.text


def test_generated_brains_are_compared_as_they_are(evaluate, tmp_path):
    """Halved brightness lowers the luminance of every window by one factor, which the own percentiles would undo."""
    reference = write_set(tmp_path / "reference", 2, seed=1)
    bright = evaluate(reference, num_pairs=3)[0]["ms_ssim"]
    for path in (tmp_path / "generated").rglob("*.nii.gz"):
        image = nib.load(path)
        write_nifti(path, 0.5 * image.get_fdata(), image.affine)
    dark = evaluate(reference, num_pairs=3)[0]["ms_ssim"]
    assert dark["reference"] == bright["reference"]
    assert abs(dark["generated"]["mean"] - bright["generated"]["mean"]) > 1e-3


def test_copies_of_training_brains_are_noticed(evaluate, tmp_path):
    # Same seed: the first three training balls are the generated ones, on the scale that a model writes.
    reference = write_set(tmp_path / "reference", 8, ["train"] * 4 + ["test"] * 4)
    for path in (tmp_path / "generated").rglob("*.nii.gz"):
        image = nib.load(path)
        learned = ScaleForeground()(torch.from_numpy(image.get_fdata())[None])[0]
        write_nifti(path, learned.numpy(), image.affine)
    memorisation = evaluate(reference, num_pairs=1)[0]["memorisation"]
    assert memorisation["share_above"] == 1
    assert memorisation["generated_max"] == pytest.approx(1, abs=1e-3)  # int16 files
    assert memorisation["closest_generated"] == memorisation["closest_training"]
    shown = (tmp_path / "out" / "closest_pairs.png").read_bytes()
    assert shown.startswith(b"\x89PNG")


def test_a_reference_without_a_split_is_one_set(evaluate, tmp_path):
    metrics, out = evaluate(write_set(tmp_path / "reference", 2, seed=1), num_pairs=1)
    assert (metrics["num_reference"], metrics["reference_split"], metrics["memorisation"]) == (2, None, None)
    assert "Memorisation" not in (out / "metrics.md").read_text()
    assert not (out / "closest_pairs.png").exists()


def test_reference_images_are_checked_like_those_of_a_training(evaluate, tmp_path, caplog):
    reference = write_set(tmp_path / "reference", 3, seed=1)
    evaluate(reference, num_pairs=1)
    assert "Doubtful images, which are used" in caplog.text  # balls of 268 mL are no brains
    with pytest.raises(DatasetError, match=r"(?s)sub-01_T1w.*sub-03_T1w"):
        evaluate(reference, num_pairs=1, strict=True)
    damaged = reference / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with pytest.raises(DatasetError, match="sub-02_T1w"):
        evaluate(reference, num_pairs=1)


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing: no such folder"):
        evaluate_generated(tmp_path / "nothing", tmp_path, tmp_path / "out")


def test_finite_json_keeps_numbers_and_drops_what_json_lacks():
    value = {"a": [np.float32(0.5), math.inf, {"b": np.int64(3)}], "c": "NaN", "d": True}
    assert finite_json(value) == {"a": [0.5, None, {"b": 3}], "c": "NaN", "d": True}
    assert json.dumps(finite_json(value), allow_nan=False)


def test_an_evaluation_without_any_number_is_still_readable():
    empty = {"num_generated": 1, "num_reference": 1, "reference_split": None, "num_unmeasured": 1, "fidelity": {}}
    likeness = {"four_gr_ssim": None, "features": None, "power_ratio": None, "readings": None, "num_resamples": 0}
    likeness["conditional_variance"] = None
    text = markdown({**empty, **likeness, "ms_ssim": {"generated": None}, "memorisation": None, "samplers": []})
    assert text.startswith("# Evaluation")


def test_the_inputs_stay(evaluate, tmp_path):
    reference = write_set(tmp_path / "reference", 2, seed=1)
    path = reference / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    before = path.read_bytes()
    evaluate(reference, num_pairs=1)
    assert path.read_bytes() == before
    assert nib.load(path).shape == SIZE
