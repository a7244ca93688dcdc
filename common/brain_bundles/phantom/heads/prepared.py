"""Label maps that are ready to be deformed, kept in memory and, on request, in files."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from brain_bundles.phantom.heads.atlas import HeadAtlas, Surroundings, build_atlas
from brain_bundles.phantom.heads.label_map import read_label_map
from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.utils.loading import read_plain
from brain_bundles.utils.saving import save_atomically

FORMAT = 1  # part of a file's name: raise it when atlases are built in another way
_kept: OrderedDict[str, HeadAtlas] = OrderedDict()
_most = 2  # in memory; one takes about 150 MB


def load_head(path: str | os.PathLike[str]) -> HeadAtlas:
    """The atlas of a label map, built in some seconds if it is not kept."""
    key = os.fspath(path)
    if key not in _kept:
        _keep(key, build_atlas(read_label_map(path)))
    _kept.move_to_end(key)
    return _kept[key]


def load_heads(paths: Iterable[str | os.PathLike[str]], cache_dir: str | os.PathLike[str] | None = None) -> None:
    """Load the atlases of several label maps and keep them all: processes that are forked later share them.

    Args:
        paths: label maps.
        cache_dir: folder for a file of about 150 MB per map; a later start reads it instead of building the atlas.
    """
    global _most
    missing = [key for key in dict.fromkeys(os.fspath(path) for path in paths) if key not in _kept]
    _most = max(_most, len(_kept) + len(missing))
    for key in tqdm(missing, desc="label maps", unit="map", leave=False, disable=None):
        _keep(key, build_atlas(read_label_map(key)) if cache_dir is None else _from_file(key, Path(cache_dir)))


def _keep(key: str, atlas: HeadAtlas) -> None:
    _kept[key] = atlas
    while len(_kept) > _most:
        _kept.popitem(last=False)


def _from_file(path: str, cache_dir: Path) -> HeadAtlas:
    file = cache_dir / f"head_{FORMAT}_{hash_file(path)[:32]}.pt"
    if not file.is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        save_atomically(asdict(build_atlas(read_label_map(path))), file)
    content = read_plain(file, mmap=True)  # mapped: all processes share one copy
    around = content.pop("surroundings")
    return HeadAtlas(**content, surroundings=None if around is None else Surroundings(**around))
