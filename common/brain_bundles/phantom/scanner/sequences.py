"""Pulse sequences as scanners have them: families of a contrast, each with the ranges of its settings.

Ranges: our own choice within what protocols of the last thirty years use. A new sequence is a subclass of
:class:`SequenceFamily` and a line in the ``families`` of an acquisition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from brain_bundles.phantom.acquisition import jitter
from brain_bundles.phantom.mr_signal import SEQUENCES, TISSUES, Sequence, Tissue, tissue_signal
from brain_bundles.phantom.scanner.draws import Range, uniform

# Where people's images differ from those of mr_signal: their FLAIR is not quite nulled, CSF has a quarter of the
# brightness of white matter (docs/comparing_populations.md).
HEAD_SEQUENCES = {"FLAIR": replace(SEQUENCES["FLAIR"], ti=1600.0)}
CSF_T1_MS = TISSUES["csf"].t1  # inversion times are set to null CSF


@dataclass(frozen=True)
class SequenceFamily:
    """One kind of pulse sequence and the ranges of its settings.

    Attributes:
        kind: kind of :class:`brain_bundles.phantom.mr_signal.Sequence`.
        tr, te, ti: ranges of the times, ms.
        flip: range of the flip angle, degrees.
        contrast_agent: True after an injection of gadolinium.
        inflow: range of the unsaturated part of arterial blood.
        null_csf: range of the inversion time relative to that which nulls CSF; then ``ti`` is not used.
    """

    kind: str
    tr: Range
    te: Range
    ti: Range = (0.0, 0.0)
    flip: Range = (90.0, 90.0)
    contrast_agent: bool = False
    inflow: Range = (0.0, 0.0)
    null_csf: Range | None = None

    def draw(self, generator: torch.Generator) -> Sequence:
        """One sequence of the family."""
        tr, te, ti, flip, inflow = (
            uniform(limits, generator) for limits in (self.tr, self.te, self.ti, self.flip, self.inflow)
        )
        if self.null_csf is not None:
            # 1 - 2 exp(-TI/T1) + exp(-TR/T1) = 0
            null = CSF_T1_MS * math.log(2.0 / (1.0 + math.exp(-tr / CSF_T1_MS)))
            ti = null * uniform(self.null_csf, generator)
        return Sequence(self.kind, tr=tr, te=te, ti=ti, flip=flip, contrast_agent=self.contrast_agent, inflow=inflow)

    def signal(self, name: str, tissue: Tissue, sequence: Sequence) -> float:
        """Signal magnitude of a tissue, relative to fully relaxed water; ``name`` tells blood from the rest."""
        return tissue_signal(name, tissue, sequence)


@dataclass(frozen=True)
class NominalSequence(SequenceFamily):
    """The one sequence of a contrast that nominal images have, with settings that differ by some per cent."""

    sequence: Sequence = field(default_factory=lambda: SEQUENCES["T1w"])

    @classmethod
    def of(cls, contrast: str) -> NominalSequence:
        """The nominal sequence of a contrast.

        Raises:
            ValueError: for an unknown contrast.
        """
        if contrast not in SEQUENCES:
            raise ValueError(f"unknown contrast {contrast!r}, known are {', '.join(SEQUENCES)}.")
        sequence = HEAD_SEQUENCES.get(contrast, SEQUENCES[contrast])
        return cls(sequence.kind, (sequence.tr,) * 2, (sequence.te,) * 2, sequence=sequence)

    def draw(self, generator: torch.Generator) -> Sequence:
        return jitter(self.sequence, generator)


@dataclass(frozen=True)
class Mprage(SequenceFamily):
    """Magnetisation-prepared rapid gradient echo: an inversion, then a train of small flips.

    The steady state over all trains, read in the middle of each (Deichmann et al. 2000, NeuroImage 12:112, in the form
    of Marques et al. 2010, NeuroImage 49:1271, equation 1.4).

    Attributes:
        num_pulses: range of the length of the train.
        echo_spacing: range of the time between its pulses, ms.
    """

    num_pulses: Range = (120.0, 200.0)
    echo_spacing: Range = (6.0, 9.0)

    def draw(self, generator: torch.Generator) -> Sequence:
        sequence = super().draw(generator)
        pulses, spacing = uniform(self.num_pulses, generator), uniform(self.echo_spacing, generator)
        # The train fits between the inversion and the next one, with its middle at TI.
        half = min(pulses * spacing / 2, sequence.ti, 0.95 * sequence.tr - sequence.ti)
        return Sequence(
            **{
                **vars(sequence),
                "kind": self.kind,
                "echo_spacing": spacing,
                "num_pulses": max(2, 2 * int(half / spacing)),
            }
        )


def varied_families() -> dict[str, list[SequenceFamily]]:
    """Sequence families of each contrast."""
    mprage: dict[str, Any] = {"kind": "mprage", "tr": (1500, 2500), "te": (2, 4.5), "ti": (800, 1150), "flip": (7, 12)}
    gradient_echo: dict[str, Any] = {"kind": "gradient_echo", "tr": (8, 35), "te": (2, 8), "flip": (15, 40)}
    spin_echo: dict[str, Any] = {"kind": "spin_echo", "tr": (400, 750), "te": (8, 20)}
    return {
        "T1w": [Mprage(**mprage), SequenceFamily(**gradient_echo), SequenceFamily(**spin_echo)],
        "ce-gadolinium_T1w": [
            Mprage(**mprage, contrast_agent=True),
            SequenceFamily(**gradient_echo, contrast_agent=True),
            SequenceFamily(**spin_echo, contrast_agent=True),
        ],
        "T2w": [  # turbo spin echo in 2D, and in 3D with a short train time
            SequenceFamily("spin_echo", tr=(3000, 8000), te=(75, 125)),
            SequenceFamily("spin_echo", tr=(2000, 3500), te=(80, 140)),
        ],
        "PDw": [SequenceFamily("spin_echo", tr=(2000, 5500), te=(8, 35))],
        "FLAIR": [  # 2D, and 3D with shorter repetition and longer echo trains
            SequenceFamily("inversion_recovery", tr=(8000, 11500), te=(80, 145), null_csf=(0.92, 1.02)),
            SequenceFamily("inversion_recovery", tr=(4800, 7500), te=(90, 160), null_csf=(0.92, 1.02)),
        ],
        "swi": [SequenceFamily("gradient_echo", tr=(25, 45), te=(18, 30), flip=(10, 20))],
        "angio": [SequenceFamily("time_of_flight", tr=(18, 30), te=(2.5, 7), flip=(15, 30), inflow=(0.6, 0.9))],
    }


def nominal_families() -> Mapping[str, list[SequenceFamily]]:
    """The one sequence of each contrast."""
    return {contrast: [NominalSequence.of(contrast)] for contrast in SEQUENCES}
