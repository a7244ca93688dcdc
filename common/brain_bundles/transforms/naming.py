"""Which file a volume came from, for messages."""

from __future__ import annotations

from typing import Any


def file_of(img: Any) -> str:
    """The file that MONAI loaded ``img`` from, or "volume"."""
    return str(getattr(img, "meta", {}).get("filename_or_obj") or "volume")
