"""Pulse sequences as scanners have them: families of a contrast, each with the ranges of its settings.

Ranges: our own choice within what protocols of the last thirty years use. A new sequence is a subclass of
:class:`SequenceFamily`, or other ranges, and a line in the ``families`` of an acquisition.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from brain_bundles.phantom.acquisition import jitter
from brain_bundles.phantom.mr_signal import SEQUENCES, TISSUES, Sequence, Tissue, tissue_signal
from brain_bundles.phantom.scanner.draws import Range, uniform

# Where the images of people differ from those of mr_signal, see decisions 98 and 111. Their T1w is mostly an
# MPRAGE, here with the settings of ADNI at 3 T: white matter at 0.68 of the scale and CSF at 0.19, as in people; the
# gradient echo had 0.63 and 0.26. Their FLAIR is not quite nulled: CSF has a quarter of the brightness of white matter.
_MPRAGE = Sequence("mprage", tr=2300.0, te=3.0, ti=900.0, flip=9.0, echo_spacing=7.1, num_pulses=176)
HEAD_SEQUENCES = {
    "T1w": _MPRAGE,
    "ce-gadolinium_T1w": replace(_MPRAGE, contrast_agent=True),
    "FLAIR": replace(SEQUENCES["FLAIR"], ti=1600.0),
}
CSF_T1_MS = TISSUES["csf"].t1  # inversion times are set to null CSF


class SequenceFamily(ABC):
    """Sequences of one kind; a subclass draws them, and may have a signal equation of its own."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Sequence:
        """One sequence of the family."""

    def reference(self, drawn: Sequence) -> Sequence:
        """The sequence in which the brightest of cortex, white matter and CSF has its level."""
        return drawn

    def signal(self, name: str, tissue: Tissue, sequence: Sequence) -> float:
        """Signal magnitude of a tissue, relative to fully relaxed water; ``name`` tells blood from the rest."""
        return tissue_signal(name, tissue, sequence)


@dataclass(frozen=True)
class NominalSequence(SequenceFamily):
    """One sequence, with settings that differ by some per cent."""

    sequence: Sequence

    def draw(self, generator: torch.Generator) -> Sequence:
        return jitter(self.sequence, generator)

    def reference(self, drawn: Sequence) -> Sequence:
        return self.sequence  # so that what was drawn may change the brightness


@dataclass(frozen=True)
class SequenceRanges(SequenceFamily):
    """A kind of pulse sequence with ranges of its settings.

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
        tr, te, ti, flip, inflow = (
            uniform(limits, generator) for limits in (self.tr, self.te, self.ti, self.flip, self.inflow)
        )
        if self.null_csf is not None:
            # 1 - 2 exp(-TI/T1) + exp(-TR/T1) = 0
            null = CSF_T1_MS * math.log(2.0 / (1.0 + math.exp(-tr / CSF_T1_MS)))
            ti = null * uniform(self.null_csf, generator)
        return Sequence(self.kind, tr=tr, te=te, ti=ti, flip=flip, contrast_agent=self.contrast_agent, inflow=inflow)


@dataclass(frozen=True)
class Mprage(SequenceRanges):
    """Magnetisation-prepared rapid gradient echo: an inversion, then a train of small flips.

    The steady state over all trains, read in the middle of each, see :func:`brain_bundles.phantom.mr_signal.mprage`.

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
        return replace(sequence, echo_spacing=spacing, num_pulses=max(2, 2 * int(half / spacing)))


def varied_families() -> dict[str, list[SequenceFamily]]:
    """Sequence families of each contrast."""
    mprage: dict[str, Any] = {"kind": "mprage", "tr": (1500, 2500), "te": (2, 4.5), "ti": (800, 1150), "flip": (7, 12)}
    gradient_echo: dict[str, Any] = {"kind": "gradient_echo", "tr": (8, 35), "te": (2, 8), "flip": (15, 40)}
    spin_echo: dict[str, Any] = {"kind": "spin_echo", "tr": (400, 750), "te": (8, 20)}
    return {
        "T1w": [Mprage(**mprage), SequenceRanges(**gradient_echo), SequenceRanges(**spin_echo)],
        "ce-gadolinium_T1w": [
            Mprage(**mprage, contrast_agent=True),
            SequenceRanges(**gradient_echo, contrast_agent=True),
            SequenceRanges(**spin_echo, contrast_agent=True),
        ],
        "T2w": [  # turbo spin echo in 2D, and in 3D with a short train time
            SequenceRanges("spin_echo", tr=(3000, 8000), te=(75, 125)),
            SequenceRanges("spin_echo", tr=(2000, 3500), te=(80, 140)),
        ],
        "PDw": [SequenceRanges("spin_echo", tr=(2000, 5500), te=(8, 35))],
        "FLAIR": [  # 2D, and 3D with shorter repetition and longer echo trains
            SequenceRanges("inversion_recovery", tr=(8000, 11500), te=(80, 145), null_csf=(0.92, 1.02)),
            SequenceRanges("inversion_recovery", tr=(4800, 7500), te=(90, 160), null_csf=(0.92, 1.02)),
        ],
        "swi": [SequenceRanges("gradient_echo", tr=(25, 45), te=(18, 30), flip=(10, 20))],
        "angio": [SequenceRanges("time_of_flight", tr=(18, 30), te=(2.5, 7), flip=(15, 30), inflow=(0.6, 0.9))],
    }


def nominal_families() -> Mapping[str, list[SequenceFamily]]:
    """The one sequence of each contrast."""
    return {contrast: [NominalSequence(sequence)] for contrast, sequence in {**SEQUENCES, **HEAD_SEQUENCES}.items()}
