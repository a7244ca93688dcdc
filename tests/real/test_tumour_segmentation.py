"""The tumours' segmentation with translated contrasts, on small balls: what it is given, that it learns, its table."""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path

import pytest
import torch
from brain_bundles.evaluation.segmentation_scores import dice
from brain_bundles.evaluation.translation_baselines import fit_regressions
from brain_bundles.evaluation.translation_subject import Subject

sys.path.insert(0, str(Path(__file__).parent))
import tumour_segmentation as script

CONTRASTS = script.CONTRASTS
SIZE = 32
LEVELS = {"T1w": 0.4, "T2w": 0.8, "FLAIR": 0.9, "ce-gadolinium_T1w": 1.0}  # of a tumour, in tissue of 0.6


def ball(centre: tuple[int, int, int], radius: float) -> torch.Tensor:
    grid = torch.stack(torch.meshgrid(*[torch.arange(SIZE)] * 3, indexing="ij"))
    return (grid - torch.tensor(centre)[:, None, None, None]).square().sum(0) < radius**2


def subject(number: int) -> Subject:
    brain, tumour = ball((16, 16, 16), 14), ball((12 + number % 6, 16, 14 + number % 4), 5)
    noise = 0.02 * torch.rand(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(number))
    volumes = {
        name: (0.6 * brain + (level - 0.6) * tumour + noise * brain).clamp(0, 1) for name, level in LEVELS.items()
    }
    return Subject(f"sub-{number}", volumes, tumour)


def test_each_missing_contrast_is_replaced_and_the_others_are_true():
    people = [subject(number) for number in range(3)]
    regressions = fit_regressions(people, list(permutations(CONTRASTS, 2)))
    person = people[0]
    made = {
        source: {"network": {target: torch.full((SIZE,) * 3, 0.3) for target in CONTRASTS if target != source}}
        for source in CONTRASTS
    }
    found = list(script.inputs(person, made, regressions))
    assert len(found) == 1 + 4 * (1 + 3 * 2)  # all true; black, then two methods from three sources
    for missing, kind, volumes in found:
        changed = [name for name in CONTRASTS if not torch.equal(volumes[name], person.volumes[name])]
        assert changed == ([] if kind == script.TRUE else [missing])
        if kind == script.BLACK:
            assert volumes[missing].max() == 0
        if kind == "network":
            inside = ball((16, 16, 16), 13)
            assert volumes[missing][inside].unique().tolist() == pytest.approx([0.3])
            assert volumes[missing][0, 0, 0] == 0  # no brain there


def test_it_learns_is_kept_and_reads_the_contrast_that_is_missing(tmp_path):
    people, path = [subject(number) for number in range(6)], tmp_path / "seed_0.pt"
    settings = {"channels": [8, 16], "seed": 0}
    network = script.train(people, path, steps=160, **settings)
    person = subject(8)
    before = path.stat().st_mtime_ns
    again = script.train(people, path, steps=160, **settings)
    assert path.stat().st_mtime_ns == before
    for one in (network, again):
        assert dice(script.segmented(one, person.volumes), person.tumour.numpy()) > 0.8
    black = {name: torch.zeros(SIZE, SIZE, SIZE) for name in CONTRASTS}
    blind = script.segmented(network, {**black, "T1w": person.volumes["T1w"]})
    assert dice(blind, person.tumour.numpy()) < 0.6


def test_the_table_is_a_mean_over_people_then_over_seeds():
    rows = [
        {"group": "phantoms", "missing": missing, "given": given, "seed": seed, "person": person, "dice": value}
        for missing, given, seed, person, value in (
            *(("none", "true", 0, name, 0.9) for name in "ab"),
            *(("none", "true", 1, name, 0.7) for name in "ab"),
            ("T1w", "black", 0, "a", 0.2),
            ("T1w", "black", 0, "b", 0.4),
            ("T1w", "black", 1, "a", 0.5),
        )
    ]
    lines = script.report(rows).splitlines()
    assert lines[0] == "| tested on | N | missing | true | black |"
    assert lines[2:4] == [
        "| phantoms | 2 | none | 0.800 ± 0.141 |  |",
        "| phantoms | 2 | T1w |  | 0.400 ± 0.141 |",
    ]
