"""Fetch the zip of a release, check it before it runs, and keep it where it is found by its name."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

from bundle_verify import UnreadableBundleError, verify
from monai.apps.utils import download_url

from brain_bundles.version import __version__
from brain_bundles.zoo.find_bundle import downloads, find_bundle, unpacked
from brain_bundles.zoo.release_index import find_release

logger = logging.getLogger(__name__)


def get_bundle(bundle: str, *, release: str | None = None, sha256: str | None = None, replace: bool = False) -> Path:
    """Fetch a bundle, verify it, and unpack it where ``monai.bundle.download`` puts bundles.

    Nothing of the bundle runs. Afterwards :func:`~brain_bundles.zoo.find_bundle.find_bundle` finds it by its name,
    offline. A bundle that is there already is not fetched again when it is asked for by its name.

    Args:
        bundle: name of a bundle, or address of the zip of a release; http, https or file.
        release: for a name: address of the release's folder, or of its index ``model_info.json``.
        sha256: hash that the zip must have, in hexadecimal digits; by default that of the index, for a name.
        replace: True replaces a bundle of that name that is there.

    Returns:
        the folder of the bundle.

    Raises:
        ValueError: if the zip has another hash, is no bundle, or the verifier finds something; for a name that the
            release does not have in this package's version.
        FileNotFoundError: for a name without ``release`` that is not there.
        FileExistsError: if another version of that name is there, or any for an address, and ``replace`` is false.
        OSError: if the index or the zip cannot be fetched.
    """
    if "://" not in bundle:
        if release is None:
            return _there(bundle)
        found = find_release(bundle, release)
        folder = downloads() / bundle
        if folder.is_dir() and not replace:
            if (version := _version(folder)) == __version__:
                return folder
            raise FileExistsError(
                f"{folder} is version {version}, this package is {__version__}; replace it with --replace."
            )
        bundle, sha256 = found.url, sha256 or found.sha256
    return _fetched(bundle, sha256, replace)


def _there(name: str) -> Path:
    try:
        return find_bundle(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no bundle {name!r}; say where from: --release ADDRESS of a release, or the address of a zip."
        ) from error


def _version(folder: Path) -> str:
    metadata = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return str(metadata.get("version"))


def _fetched(url: str, sha256: str | None, replace: bool) -> Path:
    downloads().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads(), prefix=".get.") as work:
        path = Path(work) / "bundle.zip"
        _fetch(url, path, sha256)
        try:
            report = verify(path)
        except UnreadableBundleError as error:
            raise ValueError(f"{url} is no zip of a bundle, or it was cut off; give the address of a .zip.") from error
        if report.findings:
            found = "; ".join(str(finding) for finding in report.findings[:5])
            raise ValueError(f"{url} was not unpacked: {found}. Look at all with: python -m brain_bundles verify ZIP.")
        logger.info("%s: %s", url, report)
        root = unpacked(path, Path(work) / "bundle")
        target = downloads() / root.name
        if target.exists():
            if not replace:
                raise FileExistsError(f"{target} is there already; use it by its name, or replace it with --replace.")
            shutil.rmtree(target)
        root.rename(target)
    return target


def _fetch(url: str, path: Path, sha256: str | None) -> None:
    said = logging.getLogger("monai.apps")
    level = said.level
    try:
        said.setLevel(logging.WARNING)  # its handler writes to the standard output, which is for the folder alone
        with warnings.catch_warnings():  # without a hash, the manifest of the zip says whether it is whole
            warnings.filterwarnings("ignore", message="No hash value provided")
            download_url(url, str(path), hash_val=sha256, hash_type="sha256", progress=False)
    except RuntimeError as error:
        raise ValueError(f"{url}: {error}") from error
    finally:
        said.setLevel(level)
    if not path.is_file():
        raise OSError(f"{url} could not be fetched.")
