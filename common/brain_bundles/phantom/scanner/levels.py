"""Brightness of every structure in one scan: by the signal equations, or drawn at random."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from brain_bundles.phantom.acquisition import WHITEST
from brain_bundles.phantom.heads.structures import STRUCTURES
from brain_bundles.phantom.heads.subject import TEXTURE_STD
from brain_bundles.phantom.heads.tissues import tissue_of
from brain_bundles.phantom.mr_signal import Tissue
from brain_bundles.phantom.scanner.draws import Range, happens, log_normal, one_of, uniform
from brain_bundles.phantom.scanner.sequences import SequenceFamily, nominal_families
from brain_bundles.utils.seeding import derive_seed, generator_for

REFERENCE = ("cortex", "white_matter", "csf")  # the brightest of them has the level WHITEST
VENTRICLES = ("lateral_ventricle", "third_ventricle", "fourth_ventricle", "csf")
FLUID = (*VENTRICLES, "eye", "artery", "vein", "neck_vessel")
FLOWS_LIKE = {"neck_vessel": "artery"}
# T1 grows with the field to the power of 0.38 (Rooney et al. 2007, MRM 57:308: 0.376 and 0.382 in the brain).
T1_FIELD_POWER, TABLE_TESLA = 0.38, 1.5
T2_STAR_FIELD_POWER = -0.6  # our choice of a known order


class Levels(ABC):
    """How bright each structure is."""

    @abstractmethod
    def draw(
        self, contrast: str, names: Iterable[str], *, age: float, subject: int, generator: torch.Generator
    ) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        """Levels, slopes and sequence of one scan, as in :class:`brain_bundles.phantom.scanner.settings.Scan`.

        Args:
            contrast: what is asked for.
            names: structures, lesions and vessels of the head.
            age: years.
            subject: seed of the subject; what is the subject's own is equal in all its scans.
            generator: randomness of the scan.

        Raises:
            ValueError: for an unknown contrast.
        """


class SignalLevels(Levels):
    """Levels by the signal equation of a sequence, from tissue parameters that differ between people and scanners.

    Args:
        families: sequence families per contrast; by default the nominal sequences.
        tesla: possible field strengths.
        people_std: standard deviation of the logarithm of T1, T2 and T2* of a structure between people.
        dose: range of the dose of contrast agent, relative to the usual one.
    """

    def __init__(
        self,
        families: Mapping[str, list[SequenceFamily]] | None = None,
        tesla: tuple[float, ...] = (TABLE_TESLA,),
        people_std: float = 0.0,
        dose: Range = (1.0, 1.0),
    ) -> None:
        self.families = families or nominal_families()
        self.tesla, self.people_std, self.dose = tuple(tesla), people_std, dose

    def draw(
        self, contrast: str, names: Iterable[str], *, age: float, subject: int, generator: torch.Generator
    ) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        if contrast not in self.families:
            raise ValueError(f"unknown contrast {contrast!r}, known are {', '.join(self.families)}.")
        family = one_of(self.families[contrast], generator)
        sequence = family.draw(generator)
        tesla, dose = one_of(self.tesla, generator), uniform(self.dose, generator)

        def tissue(name: str, age: float) -> Tissue:
            t1, t2 = self._factors(subject, name)
            found = tissue_of(name, age)
            field = tesla / TABLE_TESLA
            return replace(
                found,
                t1=found.t1 * t1 * (field**T1_FIELD_POWER if name not in FLUID else 1.0),
                t2=found.t2 * t2,
                t2_star=found.t2_star * t2 * field**T2_STAR_FIELD_POWER,
                gadolinium=found.gadolinium * dose,
            )

        reference = family.reference(sequence)
        scale = WHITEST / max(family.signal(name, tissue(name, 40.0), reference) for name in REFERENCE)
        levels, slopes = {}, {}
        for name in names:
            flow, own = FLOWS_LIKE.get(name, name), tissue(name, age)
            levels[name] = family.signal(flow, own, sequence) * scale
            if name not in FLUID:
                slower = family.signal(flow, _slower(own), sequence) * scale
                slopes[name] = (slower - levels[name]) / TEXTURE_STD
        record = {"family": type(family).__name__, **asdict(sequence), "tesla": tesla, "dose": dose}
        return levels, slopes, record

    def _factors(self, subject: int, name: str) -> tuple[float, float]:
        """Factors of T1 and T2 of a structure in one person."""
        if self.people_std == 0.0 or name in FLUID:  # water is water
            return 1.0, 1.0
        # What all structures of a group share, and what is a structure's own.
        group = STRUCTURES[name].group if name in STRUCTURES else name
        shared, own = (generator_for(derive_seed(subject, "tissue"), key) for key in (group, f"only {name}"))
        t1, t2 = (log_normal(self.people_std, shared) * log_normal(0.5 * self.people_std, own) for _ in range(2))
        return t1, t2


class RandomLevels(Levels):
    """Levels drawn at random, whatever the contrast: for networks that must read any (Billot et al. 2023).

    Args:
        level: range of the levels.
        merged: chance that the structures of a group have one level but for a small difference, as in a scan with
            little contrast between them.
        spread: range of the standard deviation within a structure.
    """

    MERGED_SPREAD = 0.08

    def __init__(self, level: Range = (0.05, 1.0), merged: float = 0.3, spread: Range = (0.0, 0.06)) -> None:
        self.level, self.merged, self.spread = level, merged, spread

    def draw(
        self, contrast: str, names: Iterable[str], *, age: float, subject: int, generator: torch.Generator
    ) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        merged = happens(self.merged, generator)
        fluid = uniform(self.level, generator)
        groups = {group: uniform(self.level, generator) for group in ("grey", "white", "head")}
        levels, slopes = {}, {}
        for name in sorted(names):
            own, spread = uniform(self.level, generator), uniform(self.spread, generator)
            group = STRUCTURES[name].group if name in STRUCTURES else None
            if name in VENTRICLES:
                levels[name] = fluid  # one fluid fills them all
            elif merged and group in groups:
                levels[name] = min(max(groups[group] + self.MERGED_SPREAD * (own - 0.5), 0.0), self.level[1])
            else:
                levels[name] = own
            if name not in FLUID:
                slopes[name] = spread / TEXTURE_STD
        return levels, slopes, {"family": "random", "merged": merged}


def _slower(tissue: Tissue) -> Tissue:
    """The tissue with all times longer by one standard deviation of the texture."""
    factor = 1.0 + TEXTURE_STD
    return replace(tissue, t1=tissue.t1 * factor, t2=tissue.t2 * factor, t2_star=tissue.t2_star * factor)
