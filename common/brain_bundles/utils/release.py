"""Check that all loaded bundles belong to one release."""

from __future__ import annotations

from pathlib import Path

import brain_bundles


def require_version(version: str) -> None:
    """Check that the loaded shared package has the release of the bundle.

    Every bundle carries a copy of the shared package. A process holds only the copy of its first bundle.

    Args:
        version: version of the bundle, from its metadata.json.

    Raises:
        RuntimeError: if the loaded shared package belongs to another release.
    """
    if version != brain_bundles.__version__:
        where = Path(brain_bundles.__file__).parent
        raise RuntimeError(
            f"this bundle belongs to release {version}, but the loaded brain_bundles belongs to release "
            f"{brain_bundles.__version__} ({where}). Run bundles of different releases in separate processes, and "
            "keep their folders off PYTHONPATH and out of the current folder."
        )
