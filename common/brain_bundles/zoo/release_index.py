"""The index of a release, ``model_info.json``: where the zip of a bundle is, and the hash that it must have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen

from brain_bundles.version import __version__

INDEX = "model_info.json"


@dataclass(frozen=True)
class Release:
    """A bundle of a release: address of its zip, and the zip's SHA-256 in hexadecimal digits, if known."""

    url: str
    sha256: str | None


def find_release(name: str, address: str, version: str = __version__) -> Release:
    """Look up a bundle in the index that :func:`~brain_bundles.zoo.pack` writes.

    Args:
        name: name of the bundle.
        address: of the folder of a release, in which ``model_info.json`` lies, or of that file; http, https or file.
        version: by default this package's: bundles of another version do not run with it.

    Raises:
        ValueError: if the file is no index, or lists no such bundle or version; the message has what it lists.
        OSError: if it cannot be fetched.
    """
    index = address if address.endswith(".json") else f"{address.rstrip('/')}/{INDEX}"
    try:
        with urlopen(index, timeout=60) as answer:
            entries = json.load(answer)
        key = f"{name}_v{version}"
        found = (
            None if key not in entries else Release(urljoin(index, entries[key]["source"]), entries[key].get("sha256"))
        )
        listed = ", ".join(sorted(entries)) or "none"
    except URLError as error:
        raise OSError(f"{index} could not be fetched: {error}") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{index} is not the index of a release: {error}.") from error
    if found is None:
        raise ValueError(
            f"{index} lists no {key}, but {listed}. Bundles run with a package of their version, this one is {version}."
        )
    return found
