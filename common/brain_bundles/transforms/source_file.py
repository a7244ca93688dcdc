"""Source file of a volume that MONAI loaded."""

from __future__ import annotations

from typing import Any


def file_of(img: Any) -> str:
    """Path of the file that MONAI loaded ``img`` from, or "volume"."""
    return str(getattr(img, "meta", {}).get("filename_or_obj") or "volume")
