"""Covariates that condition a brain: age, sex, ventricular volume and brain volume, and their possible values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Real
from types import MappingProxyType
from typing import Any

import torch

CONTINUOUS = ("age", "ventricular_volume", "brain_volume")
SEXES = ("F", "M")
# Values possible for a living human. The upper volumes are generous: they exist to catch volumes given in mm^3.
POSSIBLE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "age": (0.0, 130.0),
        "ventricular_volume": (0.0, 1000.0),
        "brain_volume": (0.0, 3000.0),
        "intracranial_volume": (0.0, 3000.0),
        "grey_matter_volume": (0.0, 3000.0),
    }
)
UNITS: Mapping[str, str] = MappingProxyType({name: "years" if name == "age" else "mL" for name in POSSIBLE})
COVARIATES = ("age", "sex", "ventricular_volume", "brain_volume")
HEAD_SIZE = "intracranial_volume"  # a condition where bounds have it
HEAD = (HEAD_SIZE, "grey_matter_volume")  # of the population with heads


def check_covariate(name: str, value: object) -> str | None:
    """Problem of one value of a covariate, as a phrase for an error message; None if the value is possible."""
    if name == "sex":
        return None if value in SEXES else f"sex is {value!r}, allowed are 'M' and 'F'"
    if name not in POSSIBLE:
        return f"unknown covariate {name!r}, known are {', '.join((*COVARIATES, *HEAD))}"
    # float first: to ask an abstract class takes most of the time of a large table.
    if not isinstance(value, float) and (isinstance(value, bool) or not isinstance(value, Real)):
        return f"{name} is {value!r}, expected a number in {UNITS[name]}"
    low, high = POSSIBLE[name]
    number = float(value)
    # An age of 0 is possible, a volume of 0 is not.
    inside = low <= number <= high if name == "age" else low < number <= high
    if not inside:  # also NaN
        least = f"{low:g}" if name == "age" else f"more than {low:g}"
        return f"{name} is {number:g}, possible are {least} to {high:g} {UNITS[name]}"
    return None


@dataclass(frozen=True)
class Covariates:
    """Covariates of one person.

    Attributes:
        age: years.
        sex: "M" or "F".
        ventricular_volume: lateral ventricles with their inferior horns, mL.
        brain_volume: grey plus white matter, without ventricles, mL.

    Raises:
        ValueError: if a value is impossible (NaN, negative, an age above 130, a sex other than M and F ...).
    """

    age: float
    sex: str
    ventricular_volume: float
    brain_volume: float

    def __post_init__(self) -> None:
        problems = [p for f in fields(self) if (p := check_covariate(f.name, getattr(self, f.name)))]
        if problems:
            raise ValueError(f"Impossible covariates: {'; '.join(problems)}.")
        for f in fields(self):
            if f.name != "sex":
                object.__setattr__(self, f.name, float(getattr(self, f.name)))


class CovariateScaler:
    """Encode covariates for the network: [sex (F 0, M 1), age, ventricular volume, brain volume], min-max scaled.

    The intracranial volume is a fifth number where it has bounds. Values outside of the bounds map outside of [0, 1]:
    the published model extrapolates on purpose.

    Args:
        bounds: the two values of age (years), ventricular_volume and brain_volume (mL) that become 0 and 1; of
            intracranial_volume (mL), too, for networks that are conditioned on it.
        head_size_reference: intracranial volume (mL) of a reference head. If given, the network knows brain volumes
            that are normalised for head size: brain_volume times the reference over intracranial_volume, which rows
            must have then.

    Attributes:
        names: the covariates that rows must have.
        size: numbers of a condition, K.

    Raises:
        ValueError: if a covariate has no bounds or they are not two increasing numbers, or head size is given both
            ways.

    Source: order, sex code and scaling of Pinaya et al. 2022, arXiv:2209.07162, and its authors' demo.
    """

    def __init__(self, bounds: Mapping[str, Sequence[float]], head_size_reference: float | None = None) -> None:
        if head_size_reference is not None and not head_size_reference > 0:
            raise ValueError(f"head_size_reference is {head_size_reference} mL, expected more than 0, or None.")
        self.head_size_reference = head_size_reference
        if set(bounds) - {HEAD_SIZE} != set(CONTINUOUS):
            raise ValueError(
                f"bounds are for {sorted(bounds)}, expected exactly {', '.join(CONTINUOUS)}"
                f" and, if you like, {HEAD_SIZE}."
            )
        if HEAD_SIZE in bounds and head_size_reference is not None:
            raise ValueError(
                f"bounds have {HEAD_SIZE}, and head_size_reference is {head_size_reference}: head size is a condition "
                "or the brain volume is normalised for it, not both."
            )
        for name, pair in bounds.items():
            if len(pair) != 2 or not all(math.isfinite(v) for v in pair) or not pair[0] < pair[1]:
                raise ValueError(
                    f"bounds of {name} are {list(pair)}, expected [low, high] in {UNITS[name]} with low < high."
                )
        scaled = [name for name in (*CONTINUOUS, HEAD_SIZE) if name in bounds]
        self.bounds = {name: (float(bounds[name][0]), float(bounds[name][1])) for name in scaled}
        self.size = 1 + len(scaled)
        by_head = HEAD_SIZE in bounds or head_size_reference is not None
        self.names = (*COVARIATES, HEAD_SIZE) if by_head else COVARIATES

    def encode(self, row: Mapping[Any, Any] | Covariates) -> torch.Tensor:
        """Encode one participant as a float32 tensor of shape (K,).

        Raises:
            ValueError: if a covariate is missing or impossible; the message names the participant if the row does.
        """
        row = asdict(row) if isinstance(row, Covariates) else row
        row = {**row, **{n: float(row[n]) for n in HEAD if isinstance(row.get(n), str)}}  # columns of tables are text
        problems = [f"{n} is missing" if row.get(n) is None else check_covariate(n, row[n]) for n in self.names]
        if any(problems):
            who = f"{row['participant_id']}: " if "participant_id" in row else ""
            raise ValueError(f"{who}{'; '.join(p for p in problems if p)}.")
        scaled = [(self._known(n, row) - low) / (high - low) for n, (low, high) in self.bounds.items()]
        return torch.tensor([float(row["sex"] == "M"), *scaled], dtype=torch.float32)

    def encode_table(self, rows: Sequence[Mapping[str, object]]) -> torch.Tensor:
        """Encode rows as a float32 tensor (B, 1, K): the condition of a batch, one token per row."""
        return torch.stack([self.encode(row)[None] for row in rows])

    def decode(self, context: torch.Tensor) -> Covariates:
        """Decode a tensor of K numbers (any shape, such as (1, K)) to a person without a head size.

        Raises:
            ValueError: if there are not K numbers or a covariate is impossible.
        """
        if context.numel() != self.size:
            raise ValueError(
                f"context has shape {tuple(context.shape)}, expected {self.size} numbers: "
                f"sex, {', '.join(self.bounds)}."
            )
        sex, *scaled = context.detach().double().flatten().tolist()
        values = {n: low + (high - low) * v for v, (n, (low, high)) in zip(scaled, self.bounds.items(), strict=True)}
        values.pop(HEAD_SIZE, None)
        return Covariates(sex="M" if sex > 0.5 else "F", **values)

    def outside(self, row: Mapping[str, object]) -> list[str]:
        """The covariates of ``row`` outside of the bounds, each as a phrase with its value and the range."""
        return [
            f"{name} {self._known(name, row):g} is outside of {low:g} to {high:g} {UNITS[name]}"
            for name, (low, high) in self.bounds.items()
            if not low <= self._known(name, row) <= high
        ]

    def _known(self, name: str, row: Mapping[Any, Any]) -> float:
        """A covariate of a row as the network knows it: the brain volume for the reference head, if there is one."""
        value = float(str(row[name]))
        if name == "brain_volume" and self.head_size_reference is not None:
            return value * self.head_size_reference / float(str(row["intracranial_volume"]))
        return value
