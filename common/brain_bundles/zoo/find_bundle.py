"""Where a bundle is: a folder, a zip of a release, or a name that MONAI's download has made known."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import torch
from bundle_verify.manifest import MANIFEST, differences, read_manifest

from brain_bundles.utils import hash_file

ENTRY = Path("configs", "inference.json")
_CHECKOUT = Path(__file__).parents[3] / "bundles"  # not there where the package was installed from a wheel


def find_bundle(bundle: str | os.PathLike[str]) -> Path:
    """Return the folder of a bundle.

    A zip of a release is unpacked once, into the folder for bundles of ``torch.hub``, and every file is compared with
    the zip's manifest.

    Args:
        bundle: folder, zip, or name; a name is looked for in the current folder, in ``bundles/`` below it, where
            ``monai.bundle.download`` puts bundles by default, and in the checkout that this package is of.

    Raises:
        FileNotFoundError: if there is no such bundle; the message names the places that were looked at.
        ValueError: if the folder or the zip holds no bundle, or files of the zip are not those of its manifest.
    """
    path = Path(bundle).expanduser()
    if path.is_file():
        return unpacked(path, downloads() / "unpacked" / hash_file(path)[:16])
    places = [path]
    if len(path.parts) == 1:
        places += [Path("bundles") / path, downloads() / path, *([_CHECKOUT / path] if _CHECKOUT.is_dir() else [])]
    for place in places:
        if (place / ENTRY).is_file():
            return place.resolve()
    if path.is_dir():
        raise ValueError(f"{path} is no bundle: it has no {ENTRY.as_posix()}.")
    looked = ", ".join(str(place) for place in places)
    raise FileNotFoundError(
        f"there is no bundle {os.fspath(bundle)!r}; looked at {looked}. Give a folder or a zip, or fetch it first: "
        "brain-bundles get NAME --release ADDRESS."
    )


def downloads() -> Path:
    """Folder in which ``monai.bundle.download`` puts bundles by default."""
    return Path(torch.hub.get_dir()) / "bundle"


def unpacked(path: Path, target: Path) -> Path:
    """Folder of the bundle in a zip, unpacked into ``target`` unless that is there; complete or not at all.

    Raises:
        ValueError: if the file is no zip, holds no bundle, or its files are not those of its manifest.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no zip; give a bundle's folder or the zip of a release.")
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack.") as work:
            contents = Path(work) / "contents"
            with zipfile.ZipFile(path) as archive:
                archive.extractall(contents)
            _check(contents, path)
            try:
                contents.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was faster
                    raise
    return _bundle_in(target, path)


def _bundle_in(folder: Path, path: Path) -> Path:
    found = [entry.parents[1] for entry in folder.glob(f"*/{ENTRY.as_posix()}")]
    if len(found) != 1:
        raise ValueError(f"{path} holds {len(found)} bundles, expected one folder with {ENTRY.as_posix()}.")
    return found[0]


def _check(folder: Path, path: Path) -> None:
    """Compare unpacked files with the manifest of a release; zips of others have none."""
    root = _bundle_in(folder, path)
    manifest = root / MANIFEST
    if not manifest.is_file():
        return
    files = (file for file in root.rglob("*") if file.is_file() and file != manifest)
    found = {file.relative_to(root).as_posix(): hash_file(file) for file in files}
    if problems := differences(read_manifest(manifest.read_text(encoding="utf-8")), found):
        raise ValueError(f"{path} is damaged or was changed: {'; '.join(problems[:5])}. Download it again.")
