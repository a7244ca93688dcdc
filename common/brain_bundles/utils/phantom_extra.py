"""Optional packages for measuring volumes; everything else imports without them."""

from __future__ import annotations

from typing import Any

from monai.utils import optional_import


def from_phantom_extra(module: str) -> Any:
    """Import a module, or return a stand-in that raises at its first use and says how to install it."""
    hint = "{}: measuring volumes needs it; install it with: pip install nilearn"
    return optional_import(module, descriptor=hint)[0]
