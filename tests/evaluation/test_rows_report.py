"""Tables of several sets: each cell has the number of its function on the same images, at all numbers of brains."""

import math

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("matplotlib")
from brain_bundles.data import DatasetError, write_nifti, write_participants
from brain_bundles.evaluation import measurement
from brain_bundles.evaluation.features import NetworkEncoder
from brain_bundles.evaluation.generated import Columns, evaluate_set
from brain_bundles.evaluation.image_sets import Grid, held_out_images, people_of, read_reference
from brain_bundles.evaluation.rows_report import rows_table
from brain_bundles.evaluation.tables import interval_cell
from brain_bundles.metrics import BrainVolumes, frechet_distance
from scipy import ndimage

SIZE = (48, 48, 48)


def write_set(folder, number, seed, splits=None):
    rng = np.random.default_rng(seed)
    radius = np.sqrt(((np.stack(np.indices(SIZE)) - 23.5) ** 2).sum(0))
    rows = []
    for i in range(number):
        texture = ndimage.gaussian_filter(rng.standard_normal(SIZE), 2)
        image = (radius < 20) * (0.5 + 0.1 * texture / texture.std()).clip(0.05, 1)
        name = f"sub-{i + 1:02d}"
        write_nifti(folder / name / "anat" / f"{name}_T1w.nii.gz", image, np.diag([2, 2, 2, 1]))
        rows.append({"participant_id": name, "ventricular_volume": 10.0 + i, "split": splits[i] if splits else "test"})
    write_participants(folder, rows)
    return folder


def encoder(name, seed):
    torch.manual_seed(seed)
    return NetworkEncoder(nn.Conv3d(1, 4, 3, stride=4), [""], statistics=("log_std",), name=name)


def row(name, metrics, **more):
    about = {"name": name, "options": {"sampler": "ddim"}, "overlays": [], "num_samples": 1, "seed": 4, "images": None}
    return {**about, "seconds": 1.5, "metrics": metrics, **more}


def test_tables_have_the_numbers_of_each_set(tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "measure_file", lambda path, **how: BrainVolumes(float(path.name[4:6]), math.nan))
    reference_dir = write_set(tmp_path / "reference", 17, 0, ["train"] * 2 + ["test"] * 15)
    reference = read_reference(reference_dir, grid=Grid(2.0, SIZE), most=13)
    assert (len(reference.training), len(reference.held_out), reference.split) == (2, 13, "test")
    assert [person["ventricular_volume"] for person in reference.people] == [12.0 + i for i in range(13)]
    one, other = encoder("one", 0), encoder("other", 1)
    columns = Columns(num_pairs=3, kernel_size=3, encoder=one, other_encoders=(other,), equal_numbers=(12, 13, 99))
    columns = Columns(**{**vars(columns), "num_resamples": 20})
    made = write_set(tmp_path / "made", 13, 1)
    larger = evaluate_set(made, reference, tmp_path / "larger", columns)
    smaller = evaluate_set(made, reference, tmp_path / "smaller", columns, most=12)
    assert smaller["num_generated"] == 12
    assert larger["equal_features"].keys() == {"12", "13"}
    assert smaller["equal_features"].keys() == {"12"}
    assert smaller["equal_features"]["12"] == larger["equal_features"]["12"]
    paths = [path for _, path, _ in held_out_images(made)[0]]
    x, y = reference.held_out.features(one), Grid(2.0, SIZE).images(paths, real=False).features(one)
    value = larger["equal_features"]["12"]["values"]["frechet_distance"]
    assert value == pytest.approx(frechet_distance(x[:12], y[:12]), rel=1e-6)
    assert larger["features"]["values"]["frechet_distance"] == pytest.approx(frechet_distance(x, y), rel=1e-6)

    text = rows_table([row("larger", larger), row("real", smaller, images="/data/people", seconds=None)])
    likeness, conditions, at_12, at_13, how = (part.split("\n\n", 1)[1] for part in text.split("## ")[1:])
    assert "Fréchet ↓ by other | KID ↓ by other" in likeness
    assert "| larger | 13 | 13 |" in likeness
    assert "| real | 12 | 13 |" in likeness
    assert likeness.rstrip().endswith("| n/a |")  # no seconds of what was not made
    ends = larger["equal_features"]["12"]["intervals"]["frechet_distance"]
    assert f"| larger | {interval_cell(value, ends, '.3g')} |" in at_12
    assert "| real | n/a | n/a |" in at_13
    r, slope = (
        interval_cell(1.0, larger["fidelity"]["ventricular_volume"]["intervals"][key], ".3f")
        for key in ("pearson_r", "slope")
    )
    assert f"| larger | ventricular volume | classical | 13 | {r} | {slope} | -9.00 [-9.00, -9.00] | 9.00" in conditions
    assert 'larger: N = 1, seed 4, {"sampler": "ddim"}.' in how
    assert "images of /data/people." in how
    assert f"one, weights {one.record.weights}; other, weights {other.record.weights}" in how


def test_conditions_are_read_as_they_are_meant_or_named(tmp_path):
    folder = write_set(tmp_path, 2, 0)
    images = held_out_images(folder)[0]
    table = folder / "participants.tsv"
    table.write_text("participant_id\tage\tsex\nsub-01\t60.5\tfemale\nsub-02\tn/a\tM\n")
    nothing = dict.fromkeys(("ventricular_volume", "brain_volume", "intracranial_volume"))
    assert people_of(folder, images) == [{"age": 60.5, "sex": "F", **nothing}, {"age": None, "sex": "M", **nothing}]
    table.write_text("participant_id\tage\tsex\nsub-01\t605\tfemale\nsub-02\tn/a\tM\n")
    with pytest.raises(DatasetError, match="sub-01: age is 605"):
        people_of(folder, images)
    table.unlink()
    assert people_of(folder, images) == [{}, {}]


def test_a_number_without_an_interval_stands_alone():
    assert interval_cell(0.5, None, ".1f") == interval_cell(0.5, [None, None], ".1f") == "0.5"
    assert interval_cell(None, [0.1, 0.2], ".1f") == "n/a"
    assert interval_cell(0.123, (0.1, 0.2), ".1%") == "12.3% [10.0%, 20.0%]"
