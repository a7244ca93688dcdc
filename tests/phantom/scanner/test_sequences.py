"""Sequence families: the signal of an MPRAGE by stepping through its pulses, and what each contrast must look like."""

from __future__ import annotations

import math

import pytest
import torch
from brain_bundles.phantom.heads.structures import STRUCTURES
from brain_bundles.phantom.heads.tissues import tissue_of
from brain_bundles.phantom.mr_signal import SEQUENCES, Sequence, mprage
from brain_bundles.phantom.scanner import Mprage, SignalLevels, varied_families
from brain_bundles.phantom.scanner.levels import REFERENCE

NAMES = ("cortex", "white_matter", "csf", "lateral_ventricle", "hyperintensity", "thalamus")


def stepped(t1: float, sequence: Sequence, rounds: int = 30) -> float:
    """Longitudinal magnetisation times sin(flip) at the middle pulse, pulse by pulse until nothing changes."""
    half, flip = sequence.num_pulses // 2, math.radians(sequence.flip)
    m, seen = 1.0, 0.0

    def recover(m: float, time: float) -> float:
        return 1.0 - (1.0 - m) * math.exp(-time / t1)

    for _ in range(rounds):
        m = recover(-m, sequence.ti - half * sequence.echo_spacing)
        for pulse in range(2 * half):
            if pulse == half:
                seen = m * math.sin(flip)
            m = recover(m * math.cos(flip), sequence.echo_spacing)
        m = recover(m, sequence.tr - sequence.ti - half * sequence.echo_spacing)
    return abs(seen)


@pytest.mark.parametrize("name", ["cortex", "white_matter", "csf", "fat"])
@pytest.mark.parametrize("flip", [7.0, 12.0])
def test_mprage_is_the_steady_state_of_its_pulses(name, flip):
    sequence = Sequence("mprage", tr=2300.0, te=0.0, ti=900.0, flip=flip, echo_spacing=7.0, num_pulses=176)
    tissue = tissue_of(name, 40.0)
    assert mprage(tissue, sequence) == pytest.approx(tissue.pd * stepped(tissue.t1, sequence), rel=1e-6)


def test_the_train_of_every_mprage_fits_between_two_inversions():
    family = Mprage("mprage", tr=(1400, 2500), te=(2, 4), ti=(600, 1100), flip=(7, 12))
    for seed in range(200):
        sequence = family.draw(torch.Generator().manual_seed(seed))
        half = sequence.num_pulses * sequence.echo_spacing / 2
        assert sequence.num_pulses >= 2
        assert half <= sequence.ti
        assert half <= sequence.tr - sequence.ti


def levels(contrast: str, seed: int) -> dict[str, float]:
    acquisition = SignalLevels(varied_families(), tesla=(1.5, 3.0), people_std=0.04, dose=(0.5, 1.5))
    generator = torch.Generator().manual_seed(seed)
    found, _, _ = acquisition.draw(contrast, NAMES, age=50.0, subject=seed, generator=generator)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_each_contrast_keeps_its_order_over_all_families(seed):
    t1w, t2w, flair = (levels(contrast, seed) for contrast in ("T1w", "T2w", "FLAIR"))
    assert t1w["csf"] < t1w["cortex"] < t1w["white_matter"]
    assert t2w["csf"] > max(t2w["cortex"], t2w["white_matter"])
    assert flair["lateral_ventricle"] < 0.55 * flair["white_matter"]
    assert 1.1 < flair["hyperintensity"] / flair["white_matter"] < 2.6
    for found in (t1w, t2w, flair):
        assert max(found[name] for name in REFERENCE) == pytest.approx(0.85, rel=0.35)  # people differ


def test_every_contrast_has_families_and_an_unknown_one_is_named():
    assert set(varied_families()) == set(SEQUENCES)
    with pytest.raises(ValueError, match="unknown contrast 'DWI', known are T1w"):
        levels("DWI", 0)


def test_what_is_a_persons_own_is_equal_in_all_scans_of_the_person():
    acquisition = SignalLevels(people_std=0.1)
    draws = [
        acquisition.draw("T1w", STRUCTURES, age=50.0, subject=subject, generator=torch.Generator().manual_seed(0))[0]
        for subject in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
