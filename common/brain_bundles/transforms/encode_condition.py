"""Covariates of a row as the condition of a network."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import Transform

from brain_bundles.data.covariates import CovariateScaler


class EncodeConditiond(Transform):
    """Add ``context``, the scaled covariates [sex, age, ventricular volume, brain volume, ...] as one token (1, K).

    Args:
        bounds: lowest and highest value of each covariate in training, see :class:`CovariateScaler`.
        context_key: key of the token.
        head_size_reference: see :class:`CovariateScaler`; None for brain volumes in mL as they are.
    """

    def __init__(
        self,
        bounds: Mapping[str, Sequence[float]],
        context_key: Hashable = "context",
        head_size_reference: float | None = None,
    ) -> None:
        self.scaler = CovariateScaler(bounds, head_size_reference)
        self.context_key = context_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the token. Raises ValueError for a missing or impossible value."""
        return {**data, self.context_key: self.scaler.encode(data)[None]}
