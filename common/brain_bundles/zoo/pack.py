"""Releases: a zip of every bundle, the same bytes on every machine, and the index that ``monai.bundle`` reads."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bundle_verify.manifest import MANIFEST, differences, manifest_text, read_manifest

import brain_bundles
from brain_bundles.utils import hash_file
from brain_bundles.utils.atomic import atomic_file, atomic_write
from brain_bundles.zoo.bundle_files import bundle_files
from brain_bundles.zoo.model_card import model_card

logger = logging.getLogger(__name__)
FORMATS = ("zip", "huggingface")
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip
MODEL = "models/model.pt"


@dataclass(frozen=True)
class Packed:
    """A written zip. Hashes are hexadecimal digits, ``size`` is in bytes."""

    name: str
    version: str
    path: Path
    sha1: str
    sha256: str
    size: int


def pack(
    output_dir: str | Path,
    *,
    bundles_dir: str | Path = "bundles",
    bundles: Sequence[str] | None = None,
    index: str | Path = "models/model_info.json",
    base_url: str = "",
    form: str = "zip",
) -> list[Path]:
    """Pack bundles for a release.

    ``zip`` writes ``<bundle>_v<version>.zip`` for each bundle, and its entry in the index. The zip has one top folder
    with the bundle's name, which includes a copy of the shared package and ``MANIFEST.sha256``. ``huggingface`` writes
    a folder for each bundle: a model repository of the Hugging Face hub, with the bundle at its root and a model card.
    The index then stays as it is.

    Everything is checked before the first file is written. An existing zip is replaced as a whole or not at all.

    Args:
        output_dir: folder for the results; made if missing.
        bundles_dir: folder of the bundles.
        bundles: names of the bundles to pack; None packs all with a trained model, and logs the names of the others.
        index: path of the collection's ``model_info.json``.
        base_url: download address of the zips for the index, such as
            ``https://github.com/OWNER/REPO/releases/download/TAG``.
        form: ``zip`` or ``huggingface``.

    Returns:
        the zips, or the folders.

    Raises:
        FileNotFoundError: if a bundle or one of its required files is missing.
        ValueError: for metadata or an index that is no JSON, a name or a version that MONAI's tools cannot handle, a
            version without a line in the changelog or different from the shared package's, or files that changed since
            that version was packed.
    """
    if form not in FORMATS:
        raise ValueError(f"format is {form!r}; allowed: {', '.join(FORMATS)}.")
    folders = _folders(Path(bundles_dir), bundles)
    contents = {folder: bundle_files(folder) for folder in folders}
    metadata = {folder: _read_json(folder / "configs" / "metadata.json") for folder in folders}
    entries: dict[str, dict[str, Any]] = _read_json(Path(index)) if Path(index).is_file() else {}
    for folder in folders:
        check_version(folder.name, metadata[folder], entries)
    output = Path(output_dir)
    if form == "huggingface":
        return _write_folders(output / form, contents, metadata)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".pack.") as work:
        packed = []
        for folder in folders:
            version = metadata[folder]["version"]
            one = write_zip(Path(work) / f"{folder.name}_v{version}.zip", folder.name, version, contents[folder])
            _refuse_changes(one, output / one.path.name, entries)
            packed.append(one)
        for one in packed:
            entries[one.path.stem] = {
                "checksum": one.sha1,  # SHA-1, as in MONAI's own zoo
                "source": f"{base_url.rstrip('/')}/{one.path.name}" if base_url else one.path.name,
                "sha256": one.sha256,
                "size": one.size,
            }
        # The index is written before a zip is replaced. If it cannot be written, everything stays as it was.
        with atomic_file(index) as file:
            file.write((json.dumps(dict(sorted(entries.items())), indent=4) + "\n").encode())
            packed = [replace(one, path=one.path.replace(output / one.path.name)) for one in packed]
    for one in packed:
        logger.info("%s: %.1f MB, SHA-256 %s", one.path, one.size / 1e6, one.sha256)
    return [one.path for one in packed]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); repair it or restore a copy.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected an object; restore a copy.")
    return content


def check_version(name: str, metadata: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    """Check that MONAI's tools will find this release of a bundle, and as the latest one.

    Args:
        name: name of the bundle.
        metadata: content of its metadata.json.
        entries: content of ``model_info.json``.

    Raises:
        ValueError: see :func:`pack`.
    """
    version = str(metadata.get("version"))
    where = f"{name}: version {version} in configs/metadata.json"
    if "_v" in name:
        raise ValueError(f"{name}: MONAI cuts a name at '_v' when it looks for versions; choose another name.")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"{where} must be three numbers, such as 1.0.2.")
    if version != brain_bundles.__version__:
        raise ValueError(f"{where} differs from that of the shared package, {brain_bundles.__version__}.")
    if not str(metadata.get("changelog", {}).get(version, "")).strip():
        raise ValueError(f"{where} has no line in the changelog.")
    earlier = [key.removeprefix(f"{name}_v") for key in entries if key.startswith(f"{name}_v")]
    if later := [other for other in earlier if other > version]:
        raise ValueError(f"{where} would not be found: MONAI sorts versions as text, and {max(later)} comes after it.")


def write_zip(target: Path, name: str, version: str, files: Mapping[str, Path]) -> Packed:
    """Write the zip of one bundle; the same files give the same bytes.

    Nothing is compressed: weights hardly shrink, and compressors differ from machine to machine.
    """
    hashes = {}
    with atomic_file(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for inner, path in files.items():
            content = path.read_bytes()
            hashes[inner] = hashlib.sha256(content).hexdigest()
            archive.writestr(_entry(f"{name}/{inner}"), content)
        archive.writestr(_entry(f"{name}/{MANIFEST}"), manifest_text(hashes))
    with open(target, "rb") as file:
        sha1 = hashlib.file_digest(file, "sha1").hexdigest()
    return Packed(name, version, target, sha1, hash_file(target), target.stat().st_size)


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 3  # Unix, on every system
    info.external_attr = 0o100644 << 16
    return info


def _folders(bundles_dir: Path, names: Sequence[str] | None) -> list[Path]:
    there = sorted(path.parent.parent for path in bundles_dir.glob("*/configs/metadata.json"))
    if names is None:
        if not there:
            raise FileNotFoundError(f"{bundles_dir} holds no bundle (no */configs/metadata.json).")
        trained = [path for path in there if (path / MODEL).is_file()]
        if not trained:
            raise FileNotFoundError(f"no bundle of {bundles_dir} has {MODEL}; train one first.")
        for path in there:
            if path not in trained:
                logger.warning("Left out: %s has no %s yet.", path.name, MODEL)
        return trained
    if unknown := [name for name in names if name not in [path.name for path in there]]:
        known = ", ".join(path.name for path in there) or "none"
        raise FileNotFoundError(f"{bundles_dir} holds no bundle {unknown[0]!r}; there are: {known}.")
    return [path for path in there if path.name in names]


def _refuse_changes(new: Packed, old: Path, entries: Mapping[str, Any]) -> None:
    """Refuse a version that the index already lists, unless the new zip is identical."""
    entry = entries.get(new.path.stem)
    if entry is None or entry.get("sha256") == new.sha256:
        return
    changes = "its files have changed"
    if old.is_file():  # without the old zip, the changed files are unknown
        changes = "; ".join(differences(_manifest_of(old, new.name), _manifest_of(new.path, new.name))) or changes
    raise ValueError(
        f"{new.name}: version {new.version} is in the index already, and {changes}. Give it a new version and a line "
        "in the changelog, in configs/metadata.json and brain_bundles/version.py."
    )


def _manifest_of(path: Path, name: str) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return read_manifest(archive.read(f"{name}/{MANIFEST}").decode())


def _write_folders(
    output: Path, contents: Mapping[Path, Mapping[str, Path]], metadata: Mapping[Path, Mapping[str, Any]]
) -> list[Path]:
    """Write a folder for each bundle. All are complete before the first replaces an older one."""
    targets = {bundle: output / bundle.name for bundle in contents}
    for target in targets.values():
        if target.exists() and not (target / MANIFEST).is_file():
            raise ValueError(f"{target} already exists and was not packed by this command; choose another output_dir.")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".pack.") as work:
        for bundle, files in contents.items():
            _write_folder(Path(work) / bundle.name, files, metadata[bundle])
        for bundle, target in targets.items():
            if target.exists():
                target.replace(Path(work) / f"old.{bundle.name}")
            (Path(work) / bundle.name).replace(target)
    for bundle, target in targets.items():
        version = metadata[bundle]["version"]
        logger.info(
            "%s: upload it with `hf upload OWNER/%s %s` and tag it `%s` and `latest_version`, which MONAI looks for: "
            "`hf repo tag create OWNER/%s %s`.",
            target,
            target.name,
            target,
            version,
            target.name,
            version,
        )
    return list(targets.values())


def _write_folder(folder: Path, files: Mapping[str, Path], metadata: Mapping[str, Any]) -> None:
    hashes = {}
    for inner, path in files.items():
        content = path.read_bytes()
        hashes[inner] = hashlib.sha256(content).hexdigest()
        atomic_write(folder / inner, content)
    card = model_card((folder / "docs" / "README.md").read_text(encoding="utf-8"), metadata)
    hashes["README.md"] = hashlib.sha256(card.encode()).hexdigest()
    atomic_write(folder / "README.md", card)
    atomic_write(folder / MANIFEST, manifest_text(hashes))
