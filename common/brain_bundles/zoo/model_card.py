"""The front page of a bundle on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_card(readme: str, metadata: Mapping[str, Any]) -> str:
    """A bundle's README with the front matter that the hub and MONAI's tools read.

    Args:
        readme: content of docs/README.md.
        metadata: content of metadata.json.
    """
    lines = [
        "---",
        "library_name: monai",
        "license: apache-2.0",
        "tags:",
        "- monai",
        "- medical",
        "- mri",
        "- brain",
        f"version: {metadata['version']}",
        "---",
        "",
    ]
    return "\n".join(lines) + readme
