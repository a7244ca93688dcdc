"""The table of a sampling run without conditions."""

from __future__ import annotations

from brain_bundles.utils import derive_seed


def sample_rows(num_samples: int, seed: int = 0) -> list[dict[str, str | int]]:
    """One row per sample: participant_id ("sub-0001" ...) and seed. A longer run starts with the rows of a shorter one.

    Args:
        num_samples: number of samples.
        seed: seed of the run.

    Raises:
        ValueError: if there is no sample.
    """
    if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1:
        raise ValueError(f"num_samples is {num_samples!r}, expected a whole number of at least 1.")
    return [{"participant_id": f"sub-{i + 1:04d}", "seed": derive_seed(seed, i)} for i in range(num_samples)]
