"""The record of one scan: all that its image depends on beside the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scan:
    """Settings of one scan, as drawn; JSON can hold them, and they give the same image again.

    Attributes:
        contrast: what was asked for, such as T1w.
        seed: seed of fields and noise.
        levels: brightness per structure; the brightest of cortex, white matter and CSF is near 0.85.
        slopes: change of the level per unit of the texture, which is the relative change of tissue times.
        sequence: what gave the levels: family, times (ms), flip angle (degrees), field strength (T). Empty where levels
            are drawn.
        artefacts: settings by name of the artefact, in the order of their application.
    """

    contrast: str
    seed: int
    levels: Mapping[str, float]
    slopes: Mapping[str, float]
    sequence: Mapping[str, Any] = field(default_factory=dict)
    artefacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON takes it."""
        return asdict(self)
