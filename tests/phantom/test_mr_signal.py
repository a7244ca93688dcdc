"""Signal equations against their closed forms and against the known appearance of each contrast."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from brain_bundles.phantom.mr_signal import SEQUENCES, TISSUES, Sequence, Tissue, signal


def test_spin_echo_with_long_tr_and_short_te_is_the_proton_density():
    sequence = Sequence("spin_echo", tr=1e6, te=0.0)
    assert signal("grey_matter", sequence) == pytest.approx(TISSUES["grey_matter"].pd)


def test_gradient_echo_is_largest_at_the_ernst_angle():
    t1, tr = TISSUES["white_matter"].t1, 18.0
    ernst = math.degrees(math.acos(math.exp(-tr / t1)))
    values = [
        signal("white_matter", Sequence("gradient_echo", tr=tr, te=5.0, flip=ernst + d)) for d in (-3.0, 0.0, 3.0)
    ]
    assert values[1] > values[0]
    assert values[1] > values[2]


def test_inversion_recovery_nulls_the_tissue_whose_inversion_time_is_met():
    tr, t1 = 9000.0, TISSUES["csf"].t1
    null = -t1 * math.log((1.0 + math.exp(-tr / t1)) / 2.0)
    assert signal("csf", Sequence("inversion_recovery", tr=tr, te=100.0, ti=null)) == pytest.approx(0.0, abs=1e-9)
    assert abs(SEQUENCES["FLAIR"].ti - null) < 50.0  # the FLAIR of the table is one


def test_echo_time_decays_with_t2():
    early, late = (signal("csf", Sequence("spin_echo", tr=5000.0, te=te)) for te in (50.0, 150.0))
    assert late / early == pytest.approx(math.exp(-100.0 / TISSUES["csf"].t2))


@pytest.mark.parametrize(
    ("suffix", "brightest_first"),
    [
        ("T1w", ["white_matter", "grey_matter", "csf"]),
        ("T2w", ["csf", "grey_matter", "white_matter"]),
        ("FLAIR", ["hyperintensity", "grey_matter", "white_matter", "csf"]),
        ("PDw", ["csf", "grey_matter", "white_matter"]),
        ("ce-gadolinium_T1w", ["artery", "enhancing_tumour", "white_matter", "tumour_core", "csf"]),
        ("angio", ["artery", "white_matter", "csf"]),
        ("swi", ["grey_matter", "vein"]),
    ],
)
def test_contrasts_have_their_known_order(suffix, brightest_first):
    values = [signal(tissue, SEQUENCES[suffix]) for tissue in brightest_first]
    assert values == sorted(values, reverse=True)


def test_gadolinium_shortens_t1_by_its_relaxivity():
    plain = SEQUENCES["T1w"]
    given = replace(plain, contrast_agent=True)
    shortened = Tissue(0.90, 1.0 / (1.0 / 1100.0 + 4.5e-3 * 0.7), 120.0, 80.0)
    e1, flip = math.exp(-plain.tr / shortened.t1), math.radians(plain.flip)
    expected = 0.90 * math.sin(flip) * (1 - e1) / (1 - math.cos(flip) * e1) * math.exp(-plain.te / 80.0)
    assert signal("enhancing_tumour", given) == pytest.approx(expected)
    assert signal("csf", given) == signal("csf", plain)


def test_blood_leaves_a_void_in_spin_echoes():
    assert signal("artery", SEQUENCES["T2w"]) == 0.0


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"unknown tissue 'bone'.*grey_matter"):
        signal("bone", SEQUENCES["T1w"])
    with pytest.raises(ValueError, match=r"unknown kind of sequence 'epi'.*spin_echo"):
        signal("csf", Sequence("epi", tr=1.0, te=1.0))
