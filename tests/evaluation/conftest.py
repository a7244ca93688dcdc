"""Two small comparisons of translations: one cell of images in files, and every cell of three volumes in memory."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from brain_bundles.data import bids_datalist, write_nifti, write_participants
from brain_bundles.evaluation import compare_translations
from brain_bundles.transforms import ContrastPreprocessing

SIZE = (18, 20, 16)
CONTRASTS = ["T1w", "T2w", "FLAIR"]


@pytest.fixture
def dataset(tmp_path):
    """Balls of noise. T2w is 1 - 0.8 T1w in the ball, plus a little noise; the last three are the test split."""
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
def preprocessing():
    return ContrastPreprocessing(["T1w", "T2w"], spacing=1.0, spatial_size=SIZE, intensity_scale="percentiles")


@pytest.fixture
def datalists(dataset):
    """Datalists of the test and of the training split."""
    return [bids_datalist(dataset, ["T1w", "T2w"], split, covariates=()) for split in ("test", "train")]


@pytest.fixture
def compare_one(dataset, datalists, preprocessing):
    """Compare T1w to T2w; return the report and its folder."""

    def run(methods, **options):
        out = dataset / "out"
        arguments = {"cells": [("T1w", "T2w")], "spacing": 1.0, "ms_ssim_kernel_size": 3, **options}
        report = compare_translations(*datalists, preprocessing, methods=methods, output_dir=out, **arguments)
        assert json.loads((out / "metrics.json").read_text()) == report
        return report, out

    return run


@pytest.fixture
def truth(dataset, preprocessing):
    """A method that looks up the true target of a source."""
    known = [preprocessing(item) for item in bids_datalist(dataset, ["T1w", "T2w"], covariates=())]

    def translate(source, *, targets, seeds):
        return next(item["T2w"][None] for item in known if torch.equal(item["T1w"].as_tensor()[None], source))

    return translate


@pytest.fixture
def make_subjects():
    """Volumes that are known functions of one: T2w = 1 - T1w, FLAIR = T1w / 2; the last subject has no FLAIR."""

    def make(number, first=0):
        items = []
        for i in range(first, first + number):
            t1 = 0.1 + 0.8 * torch.rand(1, 12, 12, 12, generator=torch.Generator().manual_seed(i))
            items.append({"participant_id": f"sub-{i}", "T1w": t1, "T2w": 1 - t1, "FLAIR": t1 / 2})
        del items[-1]["FLAIR"]
        return items

    return make


class Shifted:
    """Adds a constant to the source, whatever the target."""

    def __init__(self):
        self.calls = []

    def __call__(self, source, *, targets, seeds):
        assert source.shape == (1, 1, 12, 12, 12)
        assert len(seeds) == len(set(seeds)) == len(targets)
        self.calls.append(list(targets))
        return torch.cat([source + 0.1 for _ in targets])


@pytest.fixture
def shifted():
    return Shifted()


@pytest.fixture
def compare_all(tmp_path, make_subjects, shifted):
    """Compare every contrast to every other one."""

    def run(**options):
        arguments = {"cells": CONTRASTS, "methods": {"shifted": shifted}, "spacing": 2.0, **options}
        lists = make_subjects(3), make_subjects(2, first=10)
        return compare_translations(*lists, lambda item: item, output_dir=tmp_path, **arguments)

    return run
