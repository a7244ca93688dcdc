"""Random numbers of a scan's settings, rounded, so that a record in JSON gives the same image again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch

DIGITS = 6
Choice = TypeVar("Choice")
Range = tuple[float, float]


def uniform(limits: Range, generator: torch.Generator) -> float:
    """A number between two limits."""
    low, high = limits
    return round(low + (high - low) * float(torch.rand((), generator=generator)), DIGITS)


def log_uniform(limits: Range, generator: torch.Generator) -> float:
    """A number between two positive limits, with equal chances for equal ratios."""
    low, high = limits
    return round(low * math.exp(math.log(high / low) * float(torch.rand((), generator=generator))), DIGITS)


def log_normal(std: float, generator: torch.Generator) -> float:
    """A factor around 1 whose logarithm has a standard deviation of ``std``."""
    return math.exp(std * float(torch.randn((), generator=generator)))


def one_of(choices: Sequence[Choice], generator: torch.Generator) -> Choice:
    """One of several things, all equally likely."""
    return choices[int(torch.randint(len(choices), (), generator=generator))]


def happens(probability: float, generator: torch.Generator) -> bool:
    """True with a probability."""
    return float(torch.rand((), generator=generator)) < probability
