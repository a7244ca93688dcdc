"""The look of a scanner: levels of a scan, curves of people, and what is no look."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from brain_bundles.data import write_nifti, write_participants
from brain_bundles.evaluation import find_look, save_look
from brain_bundles.evaluation import own_look as module
from brain_bundles.evaluation.pair_look import PairLook, fit_pair_look
from brain_bundles.evaluation.scan_look import ScanLook
from brain_bundles.evaluation.translation_subject import Subject
from brain_bundles.transforms import NoHeadError
from brain_bundles.transforms.tissue_medians import TISSUES
from monai.data import MetaTensor

SIZE = (5, 12, 10)
TRUE = {"white matter": 0.8, "cortex": 0.6, "deep grey matter": 0.7, "lateral ventricles": 0.1, "CSF": 0.2}
GRID = torch.linspace(0, 1, 101)
SCALE = {"spacing": 2.0, "spatial_size": (16, 16, 16), "intensity_scale": "median"}
MADE_WITH = {"network": "abc", "intensity_scale": "median"}


def tissues_of(image: MetaTensor) -> np.ndarray:
    """A tissue in each slab along the first axis, in the order of ``TISSUES``, where there is anything."""
    places = np.broadcast_to((1 + np.arange(SIZE[0]))[:, None, None], SIZE)
    return (places * (image.numpy()[0] > 0)).astype(np.uint8)


def slabs(levels: dict[str, float], noise: float = 0.01) -> torch.Tensor:
    volume = torch.stack([torch.full(SIZE[1:], levels[name]) for name in TISSUES])
    return (volume + noise * torch.randn(SIZE, generator=torch.Generator().manual_seed(0))).clamp(0.01, 1)


def image(volume: torch.Tensor) -> MetaTensor:
    return MetaTensor(volume[None], affine=torch.eye(4))


def test_a_translation_gets_the_levels_of_the_scan():
    look = ScanLook(image(slabs(TRUE)), "FLAIR", tissues_of, name="scan_FLAIR.nii.gz")
    assert {name: level for name, (level, _) in look.levels.items()} == pytest.approx(TRUE, abs=0.005)
    made = slabs({name: level**2 for name, level in TRUE.items()})  # another look, in the same order
    source = image(slabs(dict(zip(TRUE, (0.9, 0.5, 0.7, 0.2, 0.1), strict=True))))
    curve = look.curve(source, "T1w", "FLAIR", made)
    assert curve is not None
    found = curve(made).median(-1).values.median(-1).values
    torch.testing.assert_close(found, torch.tensor(list(TRUE.values())), atol=0.02, rtol=0)
    assert look.curve(source, "T1w", "T2w", made) is None


def test_two_tissues_in_the_other_order_get_one_level():
    look = ScanLook(image(slabs(TRUE, 0)), "FLAIR", tissues_of, name="scan")
    made = slabs({**TRUE, "white matter": 0.6, "cortex": 0.8}, 0)
    curve = look.curve(image(made), "T1w", "FLAIR", made)
    assert curve is not None
    levels = curve(made)[:, 0, 0]
    assert float(levels[0]) == float(levels[1]) == pytest.approx((0.8 + 0.6 + 0.7) / 3, abs=1e-4)


def test_a_source_without_sure_tissues_keeps_its_look(caplog):
    look = ScanLook(image(slabs(TRUE)), "FLAIR", tissues_of, name="scan")
    empty = image(torch.zeros(SIZE))
    assert look.curve(empty, "T1w", "FLAIR", slabs(TRUE)) is None
    assert "it keeps its look, as its tissues are not sure (none)" in caplog.text


def test_scans_that_give_no_levels():
    one = slabs(TRUE)
    one[1:] = 0
    with pytest.raises(
        ValueError, match=r"like is x.nii.gz, in which only white matter is sure; give a scan of a whol"
    ):
        ScanLook(image(one), "FLAIR", tissues_of, name="x.nii.gz")


def people(contrasts):
    """T2w is the square of what the method makes of T1w; the last person has no T2w."""
    for number in range(3):
        t1 = 0.1 + 0.8 * torch.rand(12, 12, 12, generator=torch.Generator().manual_seed(number))
        volumes = {"T1w": t1, **({"T2w": (1 - t1) ** 2} if number < 2 else {})}
        yield Subject(f"sub-{number}", {name: volumes[name] for name in contrasts if name in volumes})


class Inverts:
    """Makes 1 - source of every source, and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, source, *, targets, seeds):
        assert len(set(seeds)) == len(targets)
        self.asked.append(list(targets))
        return torch.cat([1 - source for _ in targets])


def test_the_curve_of_people_is_the_mean_of_what_was_scanned():
    method = Inverts()
    look = fit_pair_look(people, [("T1w", "T2w")], method, made_with=MADE_WITH, name="folder")
    assert method.asked == [["T2w"], ["T2w"]]
    curve = look.curves["T1w", "T2w"]
    inner = (GRID > 0.12) & (GRID < 0.88)
    torch.testing.assert_close(curve(GRID)[inner], GRID[inner] ** 2, atol=4e-3, rtol=0)  # bins of 1 / 64
    assert look.people == {("T1w", "T2w"): 2}
    assert look.curve(image(slabs(TRUE)), "T1w", "T2w", slabs(TRUE)) is curve
    assert look.curve(image(slabs(TRUE)), "T2w", "T1w", slabs(TRUE)) is None
    with pytest.raises(ValueError, match=r"like is folder, where nobody has both contrasts of T1w to FLAIR\."):
        fit_pair_look(people, [("T1w", "T2w"), ("T1w", "FLAIR")], method, made_with=MADE_WITH, name="folder")


@pytest.fixture
def dataset(tmp_path):
    """Three people; T2w = 1 - T1w, in voxels of 2 mm."""
    for number in range(3):
        name = f"sub-{number}"
        t1 = np.zeros((16, 16, 16), np.float32)
        t1[2:14, 2:14, 2:14] = np.random.default_rng(number).uniform(0.1, 0.9, (12, 12, 12))
        for contrast, voxels in (("T1w", t1), ("T2w", (1 - t1) * (t1 > 0))):
            write_nifti(
                tmp_path / "bids" / name / "anat" / f"{name}_{contrast}.nii.gz", voxels, np.diag([2.0, 2, 2, 1])
            )
    write_participants(tmp_path / "bids", [{"participant_id": f"sub-{number}"} for number in range(3)])
    return tmp_path / "bids"


class Inferer:
    def __call__(self, inputs, network, *, seeds):
        return network(inputs)


ITEMS = [{"source": "T1w", "targets": ["T2w"]}, {"source": "T1w", "targets": ["T2w"]}]


def find(like, items=ITEMS, network=None, **options):
    return find_look(like, items, inferer=Inferer(), network=network or torch.nn.Identity(), **{**SCALE, **options})


def test_a_folder_is_fitted_and_what_it_saved_is_the_same_look(dataset, tmp_path):
    look = find(dataset)
    assert isinstance(look, PairLook)
    assert look.people == {("T1w", "T2w"): 3}
    assert look.name == "bids"
    save_look(look, SimpleNamespace(log_dir=tmp_path))
    again = find(tmp_path / "look.json")
    assert isinstance(again, PairLook)
    assert again.people == look.people
    assert torch.equal(again.curves["T1w", "T2w"](GRID), look.curves["T1w", "T2w"](GRID))
    with pytest.raises(ValueError, match=r"curves are for intensity_scale 'median', but here it is 'percentiles'"):
        find(tmp_path / "look.json", intensity_scale="percentiles")
    with pytest.raises(ValueError, match=r"whose curves are for network 'values:.*give the folder of the people again"):
        find(tmp_path / "look.json", network=torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"which has curves of T1w to T2w, but none of T1w to FLAIR\."):
        find(tmp_path / "look.json", [{"source": "T1w", "targets": ["T2w", "FLAIR"]}])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"curves": {"T1w to T2w": {"people": 1, "points": [[2, 0]]}}}'])
def test_files_that_no_run_has_saved(tmp_path, content):
    (tmp_path / "look.json").write_text(content)
    with pytest.raises(ValueError, match=r"look\.json, which is no look that a run saved"):
        find(tmp_path / "look.json")


def test_a_scan_is_read_on_the_model_s_grid_and_scale(dataset, monkeypatch):
    seen = {}

    def scan_look(scan, target, tissues_of, *, name):
        seen.update(scan=scan, target=target, name=name)
        return "look"

    def load_segmenter(path):
        assert path == "w.pt"

        def segment(voxels, affine):
            if voxels.max() == 0.5:
                raise NoHeadError("nothing in it looks like a brain")

        return segment

    monkeypatch.setattr(module, "ScanLook", scan_look)
    monkeypatch.setattr(module, "load_segmenter", load_segmenter)
    of_weights = partial(find, segmenter="w.pt")
    path = dataset / "sub-1" / "anat" / "sub-1_T2w.nii.gz"
    assert of_weights(path, [{"source": "T1w", "targets": ["FLAIR", "T2w"]}]) == "look"
    assert (seen["target"], seen["name"]) == ("T2w", "sub-1_T2w.nii.gz")
    assert tuple(seen["scan"].shape) == (1, 16, 16, 16)
    assert float(seen["scan"][seen["scan"] > 0].median()) == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(ValueError, match=r"sub-1_T2w.nii.gz, which shows T2w by its name; this run makes FLAIR\."):
        of_weights(path, [{"source": "T1w", "targets": ["FLAIR"]}])
    other = path.with_name("somebody.nii.gz")
    path.rename(other)
    with pytest.raises(ValueError, match=r"which of FLAIR, T2w it shows cannot be told from its name\. Let it"):
        of_weights(other, [{"source": "T1w", "targets": ["FLAIR", "T2w"]}])
    assert of_weights(other, [{"source": "T1w", "targets": ["FLAIR"]}]) == "look"
    assert seen["target"] == "FLAIR"
    flat = np.zeros((16, 16, 16), np.float32)
    flat[4:12, 4:12, 4:12] = 0.5
    flat[4:6, 4:6, 4:8] = 0.49  # an image has more than one value
    write_nifti(other, flat, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(ValueError, match=r"in which no head was found: nothing in it looks like a brain\."):
        of_weights(other, [{"source": "T1w", "targets": ["FLAIR"]}])


def test_what_is_no_look(tmp_path):
    assert find(None) is None
    save_look(None, SimpleNamespace(log_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match=r"like is .*missing, which does not exist\."):
        find(tmp_path / "missing")
    (tmp_path / "scan.txt").write_text(json.dumps({}))
    with pytest.raises(ValueError, match=r"scan\.txt, expected a scan \(\.nii\.gz\), a BIDS folder of people"):
        find(tmp_path / "scan.txt")
