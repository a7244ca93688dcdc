"""Settings of a preparation: each step is a key, and can be turned off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from brain_bundles.data.bids import FOLDERS

EXTRACT = ("auto", "true", "false")
# The contrast that the others are registered to: the first of these that a visit has.
REFERENCE_ORDER = ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR", "PDw")


@dataclass(frozen=True)
class Options:
    """Settings of a preparation.

    Attributes:
        contrasts: contrasts to take; None takes all.
        reference: contrast that the others are registered to; None takes the first of :data:`REFERENCE_ORDER`.
        reorient: turn the axes to RAS.
        bias_field: correct the bias field (N4) within the brain.
        registration: register a person's contrasts and visits rigidly to the reference contrast of the first visit.
        extract_brain: "auto" extracts the brain of whole heads, "true" of every image, "false" of none. A mask that is
            there comes first.
        extraction_method: name of the method, see :data:`brain_bundles.transforms.brain_extraction.METHODS`; None takes
            the first one for the contrast.
        segmenter: weights for the method "segmenter", which is then taken; None for those of the collection.
        spacing: voxel size of the result, mm; None keeps the grid of the reference.
        checks: warn of what looks doubtful.
        volumes: measure ventricles and brain on the T1w image, where the table has none.
        val, test: shares of the participants in these parts; the rest is for training.
        seed: seed of the split.

    Raises:
        ValueError: for a setting that is not possible.
    """

    contrasts: Sequence[str] | None = None
    reference: str | None = None
    reorient: bool = True
    bias_field: bool = True
    registration: bool = True
    extract_brain: str = "auto"
    extraction_method: str | None = None
    segmenter: str | None = None
    spacing: float | None = 1.0
    checks: bool = True
    volumes: bool = True
    val: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.extract_brain not in EXTRACT:
            raise ValueError(f"extract_brain is {self.extract_brain!r}, allowed are {', '.join(EXTRACT)}.")
        if self.spacing is not None and not 0.3 <= self.spacing <= 5.0:
            raise ValueError(f"spacing is {self.spacing}, expected 0.3 to 5 mm, or None to keep the reference's grid.")
        if min(self.val, self.test) < 0 or self.val + self.test >= 1:
            raise ValueError(f"val and test are {self.val} and {self.test}; expected shares with a sum below 1.")
        for name in (*(self.contrasts or ()), *([self.reference] if self.reference else ())):
            if name not in FOLDERS:
                raise ValueError(f"unknown contrast {name!r}, known are {', '.join(FOLDERS)}.")

    def of_images(self) -> Mapping[str, object]:
        """The settings that the images depend on, as JSON has them."""
        settings = asdict(self)
        for name in ("val", "test", "seed", "volumes", "checks"):
            del settings[name]
        settings["contrasts"] = list(self.contrasts) if self.contrasts else None
        return settings

    def reference_of(self, contrasts: Sequence[str]) -> str:
        """The contrast that the others are registered to."""
        order = ((self.reference,) if self.reference else ()) + REFERENCE_ORDER
        return next((name for name in order if name in contrasts), sorted(contrasts)[0])
