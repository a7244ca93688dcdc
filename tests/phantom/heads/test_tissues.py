"""Signals of the structures, and how they change with age."""

from __future__ import annotations

import pytest
from brain_bundles.phantom.heads.structures import STRUCTURES
from brain_bundles.phantom.heads.tissues import TISSUES, iron, tissue_of
from brain_bundles.phantom.mr_signal import SEQUENCES, tissue_signal


def level(name: str, suffix: str, age: float = 40.0) -> float:
    return tissue_signal(name, tissue_of(name, age), SEQUENCES[suffix])


def test_every_structure_has_parameters():
    assert set(STRUCTURES) <= set(TISSUES)


def test_t1w_orders_the_structures_as_people_have_them():
    names = ("csf", "cortex", "caudate", "putamen", "thalamus", "pallidum", "white_matter")
    levels = [level(name, "T1w") for name in names]
    assert levels == sorted(levels)
    assert level("fat", "T1w") > level("white_matter", "T1w") > level("soft_tissue", "T1w") > level("skull", "T1w")


@pytest.mark.parametrize("suffix", ["T2w", "swi"])
def test_iron_darkens_the_pallidum_with_age(suffix):
    levels = [level("pallidum", suffix, age) for age in (20.0, 50.0, 90.0)]
    assert levels == sorted(levels, reverse=True)
    assert iron("pallidum", 60.0) > iron("putamen", 60.0) > iron("caudate", 60.0) > iron("cortex", 60.0) == 0.0
    # Hallgren and Sourander 1958: 21.41 (1 - exp(-0.09 age)) + 0.37 mg per 100 g; late deposits begin at 40 years.
    assert iron("pallidum", 30.0) == pytest.approx(20.34, abs=0.01)


def test_lesions_are_bright_on_flair_and_the_old_cavity_is_dark():
    for name in ("hyperintensity", "plaque", "stroke_gliosis", "oedema"):
        assert level(name, "FLAIR") > 1.15 * level("white_matter", "FLAIR"), name
    assert level("stroke_core", "FLAIR") < 0.6 * level("white_matter", "FLAIR")
    assert level("active_plaque", "ce-gadolinium_T1w") > 1.3 * level("active_plaque", "T1w")
