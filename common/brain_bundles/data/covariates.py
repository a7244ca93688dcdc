"""What a brain is conditioned on: age, sex, ventricular volume and brain volume, and which values are possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from types import MappingProxyType

CONTINUOUS = ("age", "ventricular_volume", "brain_volume")
SEXES = ("F", "M")
# What can be a living human at all. The upper volumes are generous: they exist to catch volumes given in mm^3.
POSSIBLE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"age": (0.0, 130.0), "ventricular_volume": (0.0, 1000.0), "brain_volume": (0.0, 3000.0)}
)
UNITS: Mapping[str, str] = MappingProxyType({"age": "years", "ventricular_volume": "mL", "brain_volume": "mL"})
COVARIATES = ("age", "sex", "ventricular_volume", "brain_volume")


def check_covariate(name: str, value: object) -> str | None:
    """What is wrong with one value of a covariate, as a phrase for an error message; None if it is possible."""
    if name == "sex":
        return None if value in SEXES else f"sex is {value!r}, allowed are 'M' and 'F'"
    if name not in CONTINUOUS:
        return f"unknown covariate {name!r}, known are age, sex, ventricular_volume, brain_volume"
    if isinstance(value, bool) or not isinstance(value, Real):
        return f"{name} is {value!r}, expected a number in {UNITS[name]}"
    low, high = POSSIBLE[name]
    number = float(value)
    inside = (
        low <= number <= high if name == "age" else low < number <= high
    )  # an empty volume is impossible, a newborn not
    if not inside:  # also NaN
        least = f"{low:g}" if name == "age" else f"more than {low:g}"
        return f"{name} is {number:g}, possible are {least} to {high:g} {UNITS[name]}"
    return None


@dataclass(frozen=True)
class Covariates:
    """What is known about one person.

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
        for name in CONTINUOUS:
            object.__setattr__(self, name, float(getattr(self, name)))
