"""The benchmark of trainings on generated brains, on balls with a shell and a core: it learns, and goes on."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import write_nifti, write_participants
from brain_bundles.data.bids import segmentation_path
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.utils.atomic import atomic_file
from scipy import ndimage

SCRIPT = Path(__file__).parent / "train_on_synthetic.py"
SIZE, AFFINE = (32, 32, 32), np.diag([5.0, 5, 5, 1])
BUNDLE = Path(__file__).parents[2] / "bundles" / "brain_mri_segmenter"
# FreeSurfer's numbers of cortex, white matter and ventricle, and how bright each is.
LEVELS = {3: 0.5, 2: 0.8, 4: 0.2}
pytestmark = pytest.mark.filterwarnings("ignore:.*do not look like")


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("train_on_synthetic", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "instrument", lambda path: ArrayImage(truth(path), AFFINE))
    return module


def truth(path) -> np.ndarray:
    """Labels of a ball by its number: radii differ."""
    number = int(Path(path).name.split("_")[0].removeprefix("sub-"))
    radius = np.sqrt(((np.stack(np.indices(SIZE)) - 15.5) ** 2).sum(0))
    labels = np.zeros(SIZE, dtype=np.float32)
    for outer, label in ((14, 3), (11, 2), (4 + number % 3, 4)):
        labels[radius < outer] = label
    return labels


def write_set(folder, number, *, splits=None, labelled=True):
    rows = []
    for i in range(number):
        name, rng = f"sub-{i:02d}", np.random.default_rng(i)
        path = folder / name / "anat" / f"{name}_T1w.nii.gz"
        labels = truth(path)
        image = sum((labels == label) * level for label, level in LEVELS.items())
        noise = 0.03 * ndimage.gaussian_filter(rng.standard_normal(SIZE), 1)
        write_nifti(path, ((image + noise) * (labels > 0)).clip(0, 1), AFFINE)
        if labelled:
            target = segmentation_path(folder, name, "freesurfer")
            target.parent.mkdir(parents=True)
            nib.save(nib.Nifti1Image(labels.astype(np.uint8), AFFINE), target)
        rows.append({"participant_id": name, **({} if splits is None else {"split": splits[i]})})
    write_participants(folder, rows)
    return folder


@pytest.fixture
def words(tmp_path):
    phantoms = write_set(tmp_path / "phantoms", 5, splits=["train"] * 3 + ["test"] * 2)
    generated = write_set(tmp_path / "generated", 3, labelled=False)
    people = write_set(tmp_path / "people", 1)
    tiny = ["--channels", "8", "16", "--spacing", "5", "--spatial_size", *map(str, SIZE), "--bundle", str(BUNDLE)]
    return [str(phantoms), str(generated), str(tmp_path / "out"), "--real", str(people), *tiny]


def test_every_training_learns_and_is_not_done_again(script, words, tmp_path, capsys):
    words += ["--minutes", "0.06", "--seeds", "1"]
    script.main(words)
    out = tmp_path / "out"
    found = json.loads((out / "train_on_synthetic.json").read_text())
    assert [one["training"] for one in found["results"]] == ["TSTR", "TRTR", "TRTR+S"]
    for one in found["results"]:
        assert one["steps"] > 3
        assert one["dice"].keys() == {"phantoms", "people"}
        assert one["dice"]["phantoms"].keys() == {"mean", "cortex", "white_matter", "lateral_ventricle"}
        assert one["dice"]["phantoms"]["mean"] > 0.3
    assert found["sizes"] == "3 phantoms, 3 generated, 2 test phantoms, 1 test people"
    text = (out / "train_on_synthetic.md").read_text()
    assert text in capsys.readouterr().out
    assert f"| TSTR | people | 1 | {found['results'][0]['steps']} |" in text
    before = {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint.pt")}
    script.main(words)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(SystemExit, match="other settings"):
        script.main([*words, "--num", "2"])


def test_a_training_that_was_killed_goes_on(script, tmp_path, monkeypatch):
    """Stopped in its fourth step; the next start begins with that step and the time that was spent."""
    generator = torch.Generator().manual_seed(0)
    item = {"image": torch.rand(1, 16, 16, 16, generator=generator).half(), "label": torch.ones(1, 16, 16, 16).byte()}
    keys = {"network_def::channels": [4, 8], "network_def::strides": [2], "surroundings_probability": 0.0}
    parts = script.Parts(BUNDLE / "configs" / "train.json", {**keys, "device": "cpu", "precision": "fp32"})
    starts, make = [], script.batches

    def stopping(sets, augment, seed, start):
        starts.append(start)
        for number, batch in enumerate(make(sets, augment, seed, start)):
            if len(starts) == 1 and number == 4:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(script, "batches", stopping)
    monkeypatch.setattr(script, "KEEP_EVERY_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        script.train(parts, [[item]], tmp_path, minutes=0.05, seed=3)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 3  # written before the fourth step
    _, steps = script.train(parts, [[item]], tmp_path, minutes=0.05, seed=3)
    assert starts == [0, 3]
    assert steps > 3
    spent = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["spent"]
    assert kept["spent"] < 3.0 <= spent


def test_a_step_has_the_same_batch_wherever_a_training_began(script):
    """And sets of any size take turns alike."""
    augment = script.Parts(BUNDLE / "configs" / "train.json", {"surroundings_probability": 0.0}).get(
        "train::preprocessing"
    )[0]
    items = [[{"image": torch.full((1, 8, 8, 8), float(i)).half(), "label": torch.zeros(1, 8, 8, 8).byte()}] * n
             for i, n in ((1, 1), (2, 50))]  # fmt: skip
    whole, later = (script.batches(items, augment, 7, start) for start in (0, 5))
    first = [next(whole)[0] for _ in range(60)]
    for step in range(5, 10):
        torch.testing.assert_close(next(later)[0], first[step])
    of_first = sum(float(one.max()) < 1.5 for one in first)
    assert 15 < of_first < 45


def test_scores_are_dice_of_the_structures_that_are_there(script, tmp_path):
    label = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    label[0, :2] = script.CLASS_INDEX["cortex"]
    label[0, 2] = script.CLASS_INDEX["lesion"]
    with atomic_file(tmp_path / "one.pt") as file:
        torch.save({"image": torch.zeros(1, 4, 4, 4).half(), "label": label}, file)

    class Parts:
        def get(self, *names):
            found = torch.zeros(1, len(script.CLASS_INDEX), 4, 4, 4)
            found[0, script.CLASS_INDEX["cortex"], :1] = 1  # half of it
            return [lambda image, network: found, "cpu"]

    assert script.score(Parts(), None, [tmp_path / "one.pt"]) == pytest.approx({"cortex": 2 / 3, "mean": 2 / 3})
