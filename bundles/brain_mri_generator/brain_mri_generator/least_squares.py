"""Damped least squares with operators that an ONNX model has."""

from __future__ import annotations

import torch

DAMPING = 1e-6


def solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solutions x (B, K) of ``matrix x = right`` in the sense of damped least squares, for few unknowns.

    By elimination, with operators that an ONNX model has, which ``torch.linalg.solve`` is not.

    Args:
        matrix: (B, K, K).
        right: (B, K).
    """
    transposed = matrix.transpose(1, 2)
    normal = transposed @ matrix
    size = matrix.shape[-1]
    scale = normal.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1).clamp(min=1e-12)
    eye = torch.eye(size, device=matrix.device, dtype=matrix.dtype)
    rows = torch.cat([normal + DAMPING * scale * eye, transposed @ right[..., None]], dim=2)
    for k in range(size):  # the matrix is positive definite, so no pivot vanishes
        pivot = rows[:, k : k + 1] / rows[:, k : k + 1, k : k + 1]
        others = 1 - eye[:, k : k + 1]
        rows = others * (rows - rows[:, :, k : k + 1] * pivot) + (1 - others) * pivot
    return rows[..., -1]
