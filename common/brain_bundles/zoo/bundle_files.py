"""Which files make a bundle that runs by itself."""

from __future__ import annotations

from pathlib import Path

import brain_bundles

FOLDERS = ("configs", "docs", "models")
WEIGHTS = ("autoencoder.pt", "model.pt")


def bundle_files(bundle_dir: str | Path) -> dict[str, Path]:
    """Name within the bundle, with ``/`` -> path, sorted by name.

    The licence, configs, documents and weights, the bundle's own package, and a copy of :mod:`brain_bundles`, so that
    the bundle runs where nothing of this collection is installed. What runs have left there (data, caches, outputs) is
    not part of it.

    Args:
        bundle_dir: for example ``bundles/brain_mri_generator``.

    Raises:
        FileNotFoundError: if one of the files that a bundle must have is missing; all that are missing are named.
    """
    root = Path(bundle_dir).resolve()
    needed = ["LICENSE", "configs/metadata.json", "configs/train.json", "configs/inference.json", "docs/README.md"]
    needed += [f"{root.name}/__init__.py", *(f"models/{name}" for name in WEIGHTS)]
    if missing := [name for name in needed if not (root / name).is_file()]:
        raise FileNotFoundError(f"{root} is not a whole bundle, it lacks {', '.join(missing)}.")
    found = {"LICENSE": root / "LICENSE"}
    for folder in (*FOLDERS, root.name):
        found |= _tree(root / folder, root)
    package = Path(brain_bundles.__file__).parent
    found |= _tree(package, package.parent)
    return dict(sorted(found.items()))


def _tree(folder: Path, root: Path) -> dict[str, Path]:
    """All files below, but for hidden ones and what Python makes of them."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    names = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path for name, path in names.items() if not any(part[0] == "." for part in name.split("/"))}
