"""Meaning of the config key ``precision``."""

from __future__ import annotations

import contextlib

import torch

PRECISIONS = ("fp32", "bf16", "fp16", "auto")
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: str) -> None:
    """Raise ValueError for an unknown name."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}.")


def resolve_precision(precision: str, device: str | torch.device) -> str:
    """Resolve ``precision`` to fp32, bf16 or fp16 for ``device``.

    ``auto`` is bf16 where the hardware computes in it (CUDA from Ampere on, CPUs with AVX512-BF16), fp16 on older CUDA,
    else fp32.

    Raises:
        ValueError: for an unknown name, and for fp16 on a CPU, where it is slow and overflows without a gradient
            scaler.
    """
    kind = torch.device(device).type
    check_precision(precision)
    if precision == "fp16" and kind == "cpu":
        raise ValueError("precision 'fp16' needs a GPU; use 'bf16' or 'fp32' on the CPU.")
    if precision != "auto":
        return precision
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if kind == "cpu":
        # PyTorch 2.13 has no public function for this; a version without the private one computes in fp32.
        has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return "bf16" if has_bf16() else "fp32"
    return "fp32"


def needs_loss_scaling(precision: str, device: str | torch.device) -> bool:
    """Return True if training in ``precision`` on ``device`` must scale its loss, or small fp16 gradients vanish."""
    return resolve_precision(precision, device) == "fp16"


def autocast(precision: str, device: str | torch.device) -> contextlib.AbstractContextManager:
    """Context in which networks compute in ``precision`` on ``device``, which need not be CUDA."""
    dtype = _DTYPES.get(resolve_precision(precision, device))
    if dtype is None:
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, dtype=dtype)
