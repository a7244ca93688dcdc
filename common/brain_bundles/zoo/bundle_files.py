"""Files of a bundle that runs by itself."""

from __future__ import annotations

from pathlib import Path

import bundle_verify

import brain_bundles

FOLDERS = ("configs", "docs", "models")
WEIGHTS = ("autoencoder.pt", "model.pt")
SEGMENTER = "brain_mri_segmenter"
CARRIED = {"segmenter.pt": "model.pt", "second_encoder.pt": "second_encoder.pt"}  # in other zips, in the segmenter's


def bundle_files(bundle_dir: str | Path) -> dict[str, Path]:
    """Files of a bundle: name within the bundle, with ``/`` -> path, sorted by name.

    These are the licence, configs, documents and weights, the bundle's own package, and copies of
    :mod:`brain_bundles` and :mod:`bundle_verify`, so that the bundle runs where this collection is not installed. The
    weights of the segmenter beside it are ``models/segmenter.pt``: brain extraction and measuring need them, and the
    second encoder, which judges features, comes along. Results of runs (data, caches, outputs) are left out.

    Args:
        bundle_dir: folder of the bundle, such as ``bundles/brain_mri_generator``.

    Raises:
        FileNotFoundError: if required files are missing; the message names all of them.
    """
    root = Path(bundle_dir).resolve()
    needed = ["LICENSE", "configs/metadata.json", "configs/train.json", "configs/inference.json", "docs/README.md"]
    inference = root / "configs" / "inference.json"
    used = inference.read_text(encoding="utf-8") if inference.is_file() else ""
    needed += [f"{root.name}/__init__.py", *(f"models/{name}" for name in WEIGHTS if f"/{name}'" in used)]
    if missing := [name for name in needed if not (root / name).is_file()]:
        raise FileNotFoundError(f"{root} is not a complete bundle; missing: {', '.join(missing)}.")
    found = {"LICENSE": root / "LICENSE"}
    for folder in (*FOLDERS, root.name):
        found |= _tree(root / folder, root)
    if root.name != SEGMENTER:
        weights = {name: root.parent / SEGMENTER / "models" / own for name, own in CARRIED.items()}
        found |= {f"models/{name}": path for name, path in weights.items() if path.is_file()}
    for package in (brain_bundles, bundle_verify):
        source = Path(str(package.__file__)).parent
        found |= _tree(source, source.parent)
    return dict(sorted(found.items()))


def _tree(folder: Path, root: Path) -> dict[str, Path]:
    """All files below ``folder``, without hidden files and compiled Python."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    names = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path for name, path in names.items() if not any(part[0] == "." for part in name.split("/"))}
