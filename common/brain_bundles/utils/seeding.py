"""Seeds that depend on what is drawn, never on the order in which it is drawn."""

from __future__ import annotations

import hashlib

import torch

SAMPLE_SEED = "sample_seed"  # entry of an item or a batch from which all later draws for the sample are derived


def derive_seed(*keys: int | str) -> int:
    """A 63-bit seed that is a pure function of ``keys``, the same on every machine and Python version.

    Unlike ``hash`` it is not salted, and unlike ``seed + index`` two runs with neighbouring seeds share no sample.
    """
    if not keys:
        raise ValueError("derive_seed needs at least one key, for example derive_seed(seed, 'noise', index).")
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(*keys: int | str) -> torch.Generator:
    """A CPU generator seeded by :func:`derive_seed`: noise drawn on the CPU is the same whatever the run's device."""
    return torch.Generator().manual_seed(derive_seed(*keys))
