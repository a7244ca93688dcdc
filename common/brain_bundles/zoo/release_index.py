"""The index of a release, ``model_info.json``: where the zip of a bundle is, and the hash that it must have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen

INDEX = "model_info.json"


@dataclass(frozen=True)
class Release:
    """A bundle of a release: version, address of its zip, and the zip's SHA-256 in hexadecimal digits, if known."""

    version: str
    url: str
    sha256: str | None


def find_release(name: str, address: str) -> Release:
    """Look up the newest version of a bundle in the index that :func:`~brain_bundles.zoo.pack` writes.

    Args:
        name: name of the bundle.
        address: of the folder of a release, in which ``model_info.json`` lies, or of that file; http, https or file.

    Raises:
        ValueError: if the file is no index, or lists no such bundle; the message has the names that it lists.
        OSError: if it cannot be fetched.
    """
    index = address if address.endswith(".json") else f"{address.rstrip('/')}/{INDEX}"
    try:
        with urlopen(index, timeout=60) as answer:
            entries = json.load(answer)
        listed = sorted(key.rpartition("_v")[::2] for key in entries)
        versions = [version for one, version in listed if one == name]
        if not versions:
            known = ", ".join(sorted({one for one, _ in listed})) or "none"
            raise ValueError(f"it lists no bundle {name!r}, but {known}")
        entry = entries[f"{name}_v{max(versions)}"]  # MONAI sorts versions as text, and pack() keeps to that
        return Release(max(versions), urljoin(index, entry["source"]), entry.get("sha256"))
    except URLError as error:
        raise OSError(f"{index} could not be fetched: {error}") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{index} is not the index of a release: {error}.") from error
