"""What is done to two volumes before they are scored: nothing, as this collection does, or what others publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

COLLECTION, BRASYN = "collection", "brasyn"
Pair = tuple[torch.Tensor, torch.Tensor]


def _as_they_are(prediction: torch.Tensor, target: torch.Tensor) -> Pair:
    return prediction, target


def _each_by_its_own_percentiles(prediction: torch.Tensor, target: torch.Tensor) -> Pair:
    return _own_percentiles(prediction), _own_percentiles(target)


def _own_percentiles(volume: torch.Tensor, lower: float = 0.5, upper: float = 99.5) -> torch.Tensor:
    """Clip at percentiles of all voxels, air included, the lower one at least 0, and scale to [0, 1]."""
    ordered = volume.double().flatten().sort().values
    low, high = (_interpolated(ordered, percent) for percent in (lower, upper))
    low = low.clamp(min=0)
    if not high > low:
        raise ValueError(f"convention {BRASYN}: a volume has no percentiles {lower} and {upper} that differ.")
    return ((volume.double() - low) / (high - low)).clamp(0, 1)


def _interpolated(ordered: torch.Tensor, percent: float) -> torch.Tensor:
    place = (ordered.numel() - 1) * percent / 100
    below = int(place)
    above = min(below + 1, ordered.numel() - 1)
    return torch.lerp(ordered[below], ordered[above], place - below)


# Name -> what happens to (prediction, target). The default leaves both alone: a prediction that is scaled by its own
# statistics before it is scored is forgiven a wrong brightness.
#
# brasyn: code of the BraTS challenge on synthesis (BraSyn), which scales every volume, the predicted one too, by its
# own percentiles. ALDM is not here: its public code has no metrics, and the paper's normalisation is not known.
CONVENTIONS: Mapping[str, Callable[[torch.Tensor, torch.Tensor], Pair]] = {
    COLLECTION: _as_they_are,
    BRASYN: _each_by_its_own_percentiles,
}


def check_convention(name: str) -> None:
    """Refuse unknown names.

    Raises:
        ValueError: naming those that there are.
    """
    if name not in CONVENTIONS:
        raise ValueError(f"convention is {name!r}, expected one of {', '.join(CONVENTIONS)}.")


def apply_convention(name: str, prediction: torch.Tensor, target: torch.Tensor) -> Pair:
    """Bring a prediction and its target, (D, H, W) each, to the intensities in which a convention scores them.

    Raises:
        ValueError: for an unknown name, and if a volume cannot be scaled.
    """
    check_convention(name)
    return CONVENTIONS[name](prediction, target)
