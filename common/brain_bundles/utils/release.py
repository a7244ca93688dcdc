"""Whether what runs is of one release."""

from __future__ import annotations

from pathlib import Path

import brain_bundles


def require_version(version: str) -> None:
    """Every bundle carries a copy of the shared package, and a process holds one: that of the bundle that came first.

    Args:
        version: of the bundle, from its metadata.json.

    Raises:
        RuntimeError: if the shared package that is loaded is of another release.
    """
    if version != brain_bundles.__version__:
        where = Path(brain_bundles.__file__).parent
        raise RuntimeError(
            f"this bundle is of release {version}, but the brain_bundles that is loaded is of release "
            f"{brain_bundles.__version__} ({where}). Run bundles of different releases in processes of their own, and "
            "keep their folders off PYTHONPATH and out of the current folder."
        )
