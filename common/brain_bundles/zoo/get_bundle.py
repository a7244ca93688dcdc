"""Fetch the zip of a release, check it before it runs, and keep it where it is found by its name."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from bundle_verify import verify
from monai.apps.utils import download_url

from brain_bundles.zoo.find_bundle import downloads, unpacked

logger = logging.getLogger(__name__)


def get_bundle(url: str, *, sha256: str | None = None, replace: bool = False) -> Path:
    """Fetch a bundle, verify it, and unpack it where ``monai.bundle.download`` puts bundles.

    Nothing of the bundle runs. Afterwards :func:`~brain_bundles.zoo.find_bundle.find_bundle` finds it by its name,
    offline.

    Args:
        url: address of the zip of a release; http, https or file.
        sha256: hash that the zip must have, in hexadecimal digits; the index of a release names it.
        replace: True replaces a bundle of that name that is there.

    Returns:
        the folder of the bundle.

    Raises:
        ValueError: if the zip has another hash, is damaged, or the verifier finds something.
        FileExistsError: if a bundle of that name is there and ``replace`` is false.
        OSError: if the zip cannot be fetched.
    """
    downloads().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads(), prefix=".get.") as work:
        path = Path(work) / "bundle.zip"
        _fetch(url, path, sha256)
        report = verify(path)
        if report.findings:
            found = "; ".join(str(finding) for finding in report.findings[:5])
            raise ValueError(f"{url} was not unpacked: {found}. Look at all with: python -m brain_bundles verify ZIP.")
        logger.info("%s: %s", url, report)
        root = unpacked(path, Path(work) / "bundle")
        target = downloads() / root.name
        if target.exists():
            if not replace:
                raise FileExistsError(f"{target} is there already; use it by its name, or set replace to True.")
            shutil.rmtree(target)
        root.rename(target)
    return target


def _fetch(url: str, path: Path, sha256: str | None) -> None:
    try:
        download_url(url, str(path), hash_val=sha256, hash_type="sha256", progress=False)
    except RuntimeError as error:
        raise ValueError(f"{url}: {error}") from error
    if not path.is_file():
        raise OSError(f"{url} could not be fetched.")
