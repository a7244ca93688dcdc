from __future__ import annotations

import pytest
import torch
from brain_bundles.utils import derive_seed


def test_a_prediction_s_seed_is_its_own(compare_one):
    seen = []

    def translate(source, *, targets, seeds):
        seen.extend(seeds)
        return source

    compare_one({"first": translate, "second": translate}, seed=3)
    expected = [derive_seed(3, "evaluate", f"sub-0{i}", "T2w") for i in (3, 4, 5)]
    assert seen[:6] == [s for s in expected for _ in range(2)]
    assert seen[6] == seen[7]  # the picture's subject
    assert seen[6] in expected


def test_what_leaves_the_range_is_clipped_as_in_files(compare_one):
    methods = compare_one(
        {
            "white": lambda source, *, targets, seeds: torch.ones_like(source),
            "bright": lambda source, *, targets, seeds: source * 0 + 9,
        }
    )[0]["methods"]
    assert methods["bright"]["brain"]["T1w to T2w"]["mae"] == methods["white"]["brain"]["T1w to T2w"]["mae"]


@pytest.mark.parametrize(
    ("translate", "message"),
    [
        (lambda source: source[0], r"sub-03, bad: its shape is \(1, 18, 20, 16\), expected .* \(1, 1, 18, 20"),
        (lambda source: source * torch.nan, "sub-03, bad: prediction has NaN or infinite voxels"),
        (lambda source: source / 0, "sub-03, bad: prediction has NaN or infinite voxels"),
    ],
)
def test_bad_predictions_are_named(compare_one, translate, message):
    with pytest.raises(ValueError, match=message):
        compare_one({"bad": lambda source, *, targets, seeds: translate(source)})


def test_a_method_may_make_some_pairs_only(compare_all):
    def pair(source, *, targets, seeds):
        assert source.ndim == 5
        assert (len(seeds), targets) == (1, ["T2w"])
        return source + 0.1

    methods = compare_all(methods={"shifted": {"T1w to T2w": pair}, "pix2pix": {"T1w to T2w": pair}})["methods"]
    cells = methods["pix2pix"]["brain"]
    assert set(cells) == {"T1w to T2w", "all"}
    assert cells["T1w to T2w"]["psnr"] == methods["shifted"]["brain"]["T1w to T2w"]["psnr"]


def test_a_pair_s_method_has_the_scores_of_one_for_all(compare_all, shifted):
    def pair(source, *, targets, seeds):
        return source + 0.1

    methods = compare_all(methods={"shifted": shifted, "pix2pix": {"T1w to T2w": pair}})["methods"]
    one, other = (methods[name]["brain"]["T1w to T2w"] for name in ("pix2pix", "shifted"))
    assert {**one, "seconds": None} == {**other, "seconds": None}


def test_a_method_without_any_pair_is_not_reported(compare_all, shifted):
    assert "pix2pix" not in compare_all(methods={"shifted": shifted, "pix2pix": {}})["methods"]
