"""Which brains a synthetic data set has, and how they are cut into shards."""

from __future__ import annotations

from dataclasses import dataclass

# A process makes whole shards: 250 divide 100,000 brains evenly among hundreds of processes, spread the seconds of
# loading the networks over enough brains, and give a folder that is quickly listed, copied and checked.
SHARD_SIZE = 250


@dataclass(frozen=True)
class Shard:
    """One BIDS dataset of the set.

    Attributes:
        number: its number, from 1.
        first: number of its first brain in the sequence of the seed, from 0.
        size: number of its brains.
    """

    number: int
    first: int
    size: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"shard-{self.number:04d}"


@dataclass(frozen=True)
class Plan:
    """The brains of a set. Brain i depends on ``seed`` and i alone.

    Attributes:
        num_subjects: number of brains.
        shard_size: brains of a shard; the last one may have fewer.
        seed: seed of conditions and noise.

    Raises:
        ValueError: if a number is impossible.
    """

    num_subjects: int
    shard_size: int = SHARD_SIZE
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("num_subjects", 1), ("shard_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is {value!r}, expected a whole number of at least {least}.")

    @property
    def shards(self) -> list[Shard]:
        """The shards, in order."""
        firsts = range(0, self.num_subjects, self.shard_size)
        return [Shard(n, first, min(self.shard_size, self.num_subjects - first)) for n, first in enumerate(firsts, 1)]
