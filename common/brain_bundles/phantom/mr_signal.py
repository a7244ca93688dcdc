"""The MR signal of each tissue under each sequence: steady-state signal equations over a table of tissue parameters.

Times are in milliseconds, flip angles in degrees, proton densities relative to water. 1.5 T.

Sources: CSF, grey matter, white matter and lesion: BrainWeb's tissue table (Kwan, Evans and Pike 1999, IEEE TMI
18:1085). Arterial blood: T1 and T2 at 1.5 T of Stanisz et al. 2005, MRM 54:507. Oedema, tumour, the T2* of blood,
deoxygenated blood and the uptake of gadolinium are our own choices, without a source; they give the known order of
brightness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tissue:
    """Proton density (relative), T1, T2, T2* (ms), and the gadolinium concentration (mM) after contrast injection."""

    pd: float
    t1: float
    t2: float
    t2_star: float
    gadolinium: float = 0.0


TISSUES: Mapping[str, Tissue] = {
    "csf": Tissue(1.00, 2569.0, 329.0, 58.0),
    "grey_matter": Tissue(0.86, 833.0, 83.0, 69.0, gadolinium=0.02),
    "white_matter": Tissue(0.77, 500.0, 70.0, 61.0, gadolinium=0.01),
    "hyperintensity": Tissue(0.76, 752.0, 237.0, 204.0),
    "oedema": Tissue(0.90, 1100.0, 140.0, 100.0),
    "tumour_core": Tissue(0.95, 1700.0, 220.0, 120.0),
    "enhancing_tumour": Tissue(0.90, 1100.0, 120.0, 80.0, gadolinium=0.7),
    "artery": Tissue(0.95, 1441.0, 290.0, 120.0, gadolinium=1.0),
    "vein": Tissue(0.95, 1441.0, 180.0, 18.0, gadolinium=1.0),  # deoxygenated blood dephases fast
    # Around the brain; the values are our own choice.
    "skull": Tissue(0.08, 300.0, 2.0, 0.6),
    "fat": Tissue(0.90, 260.0, 85.0, 35.0),
    "skin": Tissue(0.75, 500.0, 45.0, 20.0, gadolinium=0.05),
}
BLOOD = ("artery", "vein")
RELAXIVITY = 4.5e-3  # 1 / (mM ms), of the common gadolinium chelates at 1.5 T


@dataclass(frozen=True)
class Sequence:
    """One pulse sequence.

    Attributes:
        kind: "spin_echo", "inversion_recovery", "gradient_echo", "mprage" or "time_of_flight".
        tr, te, ti: repetition, echo and inversion time, ms.
        flip: flip angle of the excitation pulse of gradient echoes, degrees.
        contrast_agent: True after an injection of gadolinium.
        inflow: fraction of the arterial blood that arrives unsaturated; time of flight only.
        echo_spacing, num_pulses: time between the pulses of a train, ms, and its length; mprage only.
    """

    kind: str
    tr: float
    te: float
    ti: float = 0.0
    flip: float = 90.0
    contrast_agent: bool = False
    inflow: float = 0.0
    echo_spacing: float = 8.0
    num_pulses: int = 160


SEQUENCES: Mapping[str, Sequence] = {
    "T1w": Sequence("gradient_echo", tr=18.0, te=5.0, flip=30.0),
    "ce-gadolinium_T1w": Sequence("gradient_echo", tr=18.0, te=5.0, flip=30.0, contrast_agent=True),
    "T2w": Sequence("spin_echo", tr=4500.0, te=100.0),
    "PDw": Sequence("spin_echo", tr=4500.0, te=15.0),
    "FLAIR": Sequence("inversion_recovery", tr=9000.0, te=110.0, ti=1730.0),  # nulls CSF
    "swi": Sequence("gradient_echo", tr=30.0, te=25.0, flip=15.0),
    "angio": Sequence("time_of_flight", tr=25.0, te=4.0, flip=25.0, inflow=0.8),
}


def spin_echo(tissue: Tissue, sequence: Sequence) -> float:
    """PD (1 - exp(-TR/T1)) exp(-TE/T2)."""
    return tissue.pd * (1.0 - math.exp(-sequence.tr / tissue.t1)) * math.exp(-sequence.te / tissue.t2)


def inversion_recovery(tissue: Tissue, sequence: Sequence) -> float:
    """|PD (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2)|, the magnitude image."""
    recovery = 1.0 - 2.0 * math.exp(-sequence.ti / tissue.t1) + math.exp(-sequence.tr / tissue.t1)
    return abs(tissue.pd * recovery * math.exp(-sequence.te / tissue.t2))


def gradient_echo(tissue: Tissue, sequence: Sequence) -> float:
    """Spoiled gradient echo at the steady state (Ernst): PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE/T2*)."""
    e1 = math.exp(-sequence.tr / tissue.t1)
    flip = math.radians(sequence.flip)
    steady_state = math.sin(flip) * (1.0 - e1) / (1.0 - math.cos(flip) * e1)
    return tissue.pd * steady_state * math.exp(-sequence.te / tissue.t2_star)


def mprage(tissue: Tissue, sequence: Sequence) -> float:
    """Magnitude in the middle of the train of an MPRAGE at its steady state; the inversion is complete.

    Between two inversions the magnetisation recovers, is flipped ``num_pulses`` times, and recovers. A pulse takes it
    from M to cos(a) E1 M + 1 - E1 (Deichmann et al. 2000, NeuroImage 12:112; Marques et al. 2010, NeuroImage 49:1271).
    """
    half = sequence.num_pulses // 2
    flip = math.radians(sequence.flip)
    e1 = math.exp(-sequence.echo_spacing / tissue.t1)
    before = math.exp(-(sequence.ti - half * sequence.echo_spacing) / tissue.t1)
    after = math.exp(-(sequence.tr - sequence.ti - half * sequence.echo_spacing) / tissue.t1)
    kept = (math.cos(flip) * e1) ** half
    gained = (1.0 - e1) * (1.0 - kept) / (1.0 - math.cos(flip) * e1)
    # All is linear in the magnetisation m before the inversion: m = slope * m + offset.
    slope, offset = -before, 1.0 - before
    middle = (kept * slope, kept * offset + gained)
    end = (kept * middle[0], kept * middle[1] + gained)
    steady_state = (after * end[1] + 1.0 - after) / (1.0 - after * end[0])
    magnetisation = middle[0] * steady_state + middle[1]
    return abs(tissue.pd * math.sin(flip) * magnetisation * math.exp(-sequence.te / tissue.t2_star))


def time_of_flight(tissue: Tissue, sequence: Sequence) -> float:
    """A gradient echo in which the fraction ``inflow`` of the blood is unsaturated: PD sin(a) exp(-TE/T2*)."""
    fresh = tissue.pd * math.sin(math.radians(sequence.flip)) * math.exp(-sequence.te / tissue.t2_star)
    return sequence.inflow * fresh + (1.0 - sequence.inflow) * gradient_echo(tissue, sequence)


_EQUATIONS = {
    "spin_echo": spin_echo,
    "inversion_recovery": inversion_recovery,
    "gradient_echo": gradient_echo,
    "mprage": mprage,
}


def signal(name: str, sequence: Sequence) -> float:
    """Signal magnitude of the tissue ``name`` (a key of ``TISSUES``), relative to fully relaxed water.

    Raises:
        ValueError: for an unknown tissue or kind of sequence.
    """
    if name not in TISSUES:
        raise ValueError(f"unknown tissue {name!r}, known are {', '.join(TISSUES)}.")
    return tissue_signal(name, TISSUES[name], sequence)


def tissue_signal(name: str, tissue: Tissue, sequence: Sequence) -> float:
    """Signal magnitude of a tissue, relative to fully relaxed water; ``name`` tells arteries and veins from the rest.

    Raises:
        ValueError: for an unknown kind of sequence.
    """
    if sequence.contrast_agent:
        tissue = replace(tissue, t1=1.0 / (1.0 / tissue.t1 + RELAXIVITY * tissue.gadolinium))
    if sequence.kind == "time_of_flight":  # only arteries flow fast enough into the slab
        return time_of_flight(tissue, sequence) if name == "artery" else gradient_echo(tissue, sequence)
    if name in BLOOD and sequence.kind in ("spin_echo", "inversion_recovery"):
        return 0.0  # flow void: blood that was excited has left the slice before the echo
    if sequence.kind not in _EQUATIONS:
        raise ValueError(
            f"unknown kind of sequence {sequence.kind!r}, known are {', '.join(_EQUATIONS)}, time_of_flight."
        )
    return _EQUATIONS[sequence.kind](tissue, sequence)
