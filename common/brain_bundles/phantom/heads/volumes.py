"""The search for a shape with the requested volumes, on points a few millimetres apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from brain_bundles.phantom.heads.atlas import STEP, WIDENINGS
from brain_bundles.phantom.heads.motion import Motion
from brain_bundles.phantom.heads.people import Person
from brain_bundles.phantom.heads.sampling import lookup, sample
from brain_bundles.phantom.heads.structures import CODE, SHEETS, group_table

SEARCH_MM = 2.0
ROUGH_MM = 3.4  # for a search that is not exact: a fifth of the points
ITERATIONS = 16
TOLERANCE = 0.003  # relative; the promise is 0.02
NEAR = 0.02  # on a part of the points
COARSE = 5  # of how many points one is used until then
STEPS = 20
MARGIN_MM = 20.0  # around the box of the map: a person's head may be larger
NEAR_SKULL_MM = 4.0  # points farther outside are not looked at
CSF_RANGE_MM = (-7.0, 5.0)
GREY_RANGE_MM = (-2.5, 3.0)
GREY = group_table("grey")
FOLDED = torch.zeros_like(GREY)  # where the border of grey and white matter is a level
FOLDED[[CODE[name] for name in SHEETS.values()]] = 1.0


class ImpossibleHeadError(ValueError):
    """No head of an anatomy has the requested volumes."""


@dataclass(frozen=True)
class Shape:
    """What gives a head its volumes.

    Attributes:
        scale: size relative to the map.
        widening: of the lateral ventricles, in steps of ``WIDENING_STEP_MM``.
        csf: mm; above 0 the surface of the brain recedes, below 0 it grows and the skull comes nearer.
        grey: mm that the border of grey and white matter moves outwards: cortex becomes thinner.
    """

    scale: float
    widening: float
    csf: float
    grey: float


@dataclass(frozen=True)
class Layers:
    """Fractions of the four layers of a head at some points, each within the next."""

    ventricle: torch.Tensor
    tissue: torch.Tensor
    intracranial: torch.Tensor


def ramp(level: torch.Tensor, width: float) -> torch.Tensor:
    """Fraction of a voxel inside a boundary, by the distance (mm) of its centre: linear over one voxel."""
    return (0.5 - level / width).clamp_(0.0, 1.0)


def layers(levels: torch.Tensor, smooth: torch.Tensor, csf: float, width: float) -> Layers:
    """Fractions of ventricles, tissue and intracranial space; CSF is what is left.

    Args:
        levels: (2 or 3, ...), the first as in HeadAtlas.
        smooth: (5, ...) as in HeadAtlas.
        csf: as in :class:`Shape`.
        width: voxel size in mm of the map.
    """
    recession = csf if csf > 0 else 0.5 * csf
    towards_hull = min(1.0, max(0.0, -csf))
    ventricle = ramp(levels[0], width)
    brain = torch.maximum(ramp(levels[1] + recession * smooth[2], width), ventricle)
    skull = torch.lerp(smooth[0], smooth[1], towards_hull) if towards_hull else smooth[0]
    intracranial = torch.maximum(ramp(skull, width), brain)
    return Layers(ventricle, brain - ventricle, intracranial)


def solve(motion: Motion, person: Person, *, spacing: float, exact: bool = True) -> Shape:
    """Find the shape with the ventricular, brain and intracranial volume of a person, and its share of grey matter.

    Scale changes all volumes alike, so the other three set the ratios of the volumes, and the scale their size.

    Args:
        motion: the head without its scale and its ventricles.
        person: volumes.
        spacing: voxel size of the rendering, mm.
        exact: False ends the search on fewer points, with errors of some per cent, in a third of the time.

    Raises:
        ImpossibleHeadError: if no shape has these volumes; the message says what this head can have.
    """
    search_mm = SEARCH_MM if exact else ROUGH_MM
    points = _points(motion, search_mm)
    target = math.log(person.ventricular_volume / person.intracranial_volume)
    scale, widening, slope, csf = 1.0, 0.0, 0.15, 0.0
    lower, upper = float(-WIDENINGS), float(WIDENINGS)
    previous: tuple[float, float] | None = None
    stride = COARSE if exact else 1  # until the search is near, a part of the points will do
    for _ in range(ITERATIONS):
        head = _Head(motion, motion.widened(points[::stride], widening), spacing / scale)
        csf, reached = head.find_csf(person.brain_volume / person.intracranial_volume, csf)
        found = head.layers(csf)
        ventricles, intracranial = (float(part.double().sum()) for part in (found.ventricle, found.intracranial))
        scale = (person.intracranial_volume / (stride * intracranial * search_mm**3 / 1000.0)) ** (1 / 3)
        ratio = math.log(max(ventricles, 1e-3) / intracranial)
        settled = abs(head.width * scale / spacing - 1.0) < 0.01
        if abs(ratio - target) < (TOLERANCE if exact and stride == 1 else NEAR) and reached and settled:
            if stride == 1:
                grey = head.find_grey(found, person.grey_matter_volume / person.brain_volume)
                return Shape(scale, widening, csf, grey)
            stride, lower, upper = 1, float(-WIDENINGS), float(WIDENINGS)
            if previous is not None and abs(widening - previous[0]) > 1e-4:
                slope = min(max((ratio - previous[1]) / (widening - previous[0]), 0.02), 1.5)
            previous = None
            widening += (target - ratio) / slope
            continue
        if ratio < target:
            lower = max(lower, widening)
        else:
            upper = min(upper, widening)
        if previous is not None and abs(widening - previous[0]) > 1e-4:
            slope = min(max((ratio - previous[1]) / (widening - previous[0]), 0.02), 1.5)
        previous = (widening, ratio)
        if upper - lower < 1e-3:  # the opposite bound comes from another scale: reset it
            lower, upper = (lower, float(WIDENINGS)) if ratio < target else (float(-WIDENINGS), upper)
        proposal = widening + (target - ratio) / slope
        widening = proposal if lower < proposal < upper else (lower + upper) / 2
    low, high = (head.share_of_brain(csf) * person.intracranial_volume for csf in reversed(CSF_RANGE_MM))
    raise ImpossibleHeadError(
        f"no head of this anatomy has {person.ventricular_volume:.1f} mL of ventricles and "
        f"{person.brain_volume:.0f} mL of brain in {person.intracranial_volume:.0f} mL: reached "
        f"{math.exp(ratio) * person.intracranial_volume:.1f} mL of ventricles, and {low:.0f} to {high:.0f} mL of brain "
        "are possible with them."
    )


def _points(motion: Motion, spacing: float) -> torch.Tensor:
    """Map voxels of points ``spacing`` mm apart in the head, before any widening."""
    size = [math.ceil((STEP * n + MARGIN_MM) / spacing) for n in motion.atlas.smooth.shape[1:]]
    points, skull = motion.on_grid(size, spacing)
    return points[skull < NEAR_SKULL_MM]


class _Head:
    """The levels of a head with one widening, and the other two parameters that meet a request."""

    def __init__(self, motion: Motion, points: torch.Tensor, width: float) -> None:
        self.atlas, self.points, self.width = motion.atlas, points, width
        self.levels = sample(motion.atlas.levels[:2], points)
        self.smooth = sample(motion.atlas.smooth[:3], points, step=STEP)
        self.codes = lookup(motion.atlas.regions, points).long()

    def layers(self, csf: float) -> Layers:
        return layers(self.levels, self.smooth, csf, self.width)

    def share_of_brain(self, csf: float) -> float:
        found = self.layers(csf)
        return float(found.tissue.double().sum() / found.intracranial.double().sum())

    def find_csf(self, share: float, guess: float) -> tuple[float, bool]:
        """CSF parameter with a share of brain in the intracranial space, and True if it was reached."""
        csf = find_falling(self.share_of_brain, share, CSF_RANGE_MM, guess)
        return csf, abs(self.share_of_brain(csf) / share - 1.0) < TOLERANCE

    def find_grey(self, found: Layers, share: float) -> float:
        """Shift of the border of grey and white matter with a share of grey matter in the brain.

        Raises:
            ImpossibleHeadError: if no shift has it.
        """
        folded = FOLDED[self.codes]
        deep = float((found.tissue * GREY[self.codes] * (1.0 - folded)).double().sum())
        sheet, total = found.tissue * folded, float(found.tissue.double().sum())
        white_level = sample(self.atlas.levels[2:], self.points)[0]

        def grey(shift: float) -> float:
            white = ramp(white_level - shift, self.width)
            return (float((sheet * (1.0 - white)).double().sum()) + deep) / total

        most, least = grey(GREY_RANGE_MM[0]), grey(GREY_RANGE_MM[1])
        if not least <= share <= most:
            raise ImpossibleHeadError(
                f"grey matter is {share:.3f} of the brain; {least:.3f} to {most:.3f} are possible in this head."
            )
        return find_falling(grey, share, GREY_RANGE_MM, 0.0)


def find_falling(function: Callable[[float], float], value: float, limits: tuple[float, float], guess: float) -> float:
    """Argument within ``limits`` at which a falling function has a value, or the limit nearest to it.

    A secant within a shrinking bracket; a step that leaves the bracket halves it instead.
    """
    low, high = limits
    argument, slope, previous = guess, -0.1, None
    for _ in range(STEPS):
        found = function(argument)
        if abs(found / value - 1.0) < TOLERANCE / 10:
            break
        if found > value:
            low = argument
        else:
            high = argument
        if previous is not None and abs(argument - previous[0]) > 1e-6:
            slope = min((found - previous[1]) / (argument - previous[0]), -1e-3)
        previous = (argument, found)
        proposal = argument + (value - found) / slope
        argument = proposal if low < proposal < high else (low + high) / 2
    return argument
