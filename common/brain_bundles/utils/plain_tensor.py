"""Tensors without MONAI's metadata, for networks, losses and metrics."""

from __future__ import annotations

from typing import Any

import torch


def plain_tensor(values: Any) -> torch.Tensor:
    """``values`` as a ``torch.Tensor`` and no subclass of it, such as MONAI's ``MetaTensor``.

    The metadata would travel through every layer, and MONAI's engines cannot compile with it. Nothing is copied: memory
    and strides stay. MONAI's ``convert_to_tensor(values, track_meta=False)`` copies a tensor in channels_last.

    Args:
        values: a tensor, or what :func:`torch.as_tensor` takes.
    """
    return torch.as_tensor(values).as_subclass(torch.Tensor)
