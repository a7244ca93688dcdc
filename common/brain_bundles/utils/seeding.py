"""Seeds derived from names and numbers, independent of the order of draws."""

from __future__ import annotations

import hashlib

import torch

SAMPLE_SEED = "sample_seed"  # key of an item or batch; all later draws for the sample derive from its value


def derive_seed(*keys: int | str) -> int:
    """Derive a 63-bit seed from ``keys`` alone, the same on every machine and Python version.

    Unlike ``hash`` it is not salted. Unlike with ``seed + index``, two runs with neighbouring seeds share no sample.
    """
    if not keys:
        raise ValueError("derive_seed needs at least one key, for example derive_seed(seed, 'noise', index).")
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(*keys: int | str) -> torch.Generator:
    """CPU generator seeded by :func:`derive_seed`; noise from the CPU is the same for every device of the run."""
    return torch.Generator().manual_seed(derive_seed(*keys))
