"""Checks of large_files.yml: what ``monai.bundle download_large_files`` would fetch, and where it would write it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from bundle_verify.config_text import SUFFIXES, leaves, read_config
from bundle_verify.report import Finding, Problem, not_judged
from bundle_verify.source import BundleSource

_KEYS = frozenset({"path", "url", "hash_val", "hash_type"})
_DIGITS = {"sha256": 64, "sha512": 128}  # files with one MD5 or SHA-1 can be made in pairs
# Endings of files that nothing loads as code or as weights. Others must be there, to be checked like all files.
_PLAIN = (".png", ".jpg", ".jpeg", ".gif", ".pdf", ".md", ".txt", ".csv", ".tsv", ".nii", ".nii.gz")


def check_large_files(source: BundleSource, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Findings about the lists of large files at the top of a bundle.

    Args:
        source: the bundle.
        configs: its configs, which may load a file of a list.
    """
    lists = [name for name in source.names if _is_list(name)]
    for name in lists[1:]:
        yield Finding(name, "", f"is a second list of large files beside {lists[0]}; MONAI merges them")
    texts = {file: "\n".join(str(value) for _, value in leaves(config)) for file, config in configs.items()}
    folded = {_fold(name): name for name in source.names}
    for name in lists:
        try:
            content = read_config(source.read(name), name)
        except ValueError as error:
            yield Finding(name, "", str(error), judged=False)
            continue
        entries = content.get("large_files")
        if set(content) != {"large_files"} or not isinstance(entries, list):
            yield Finding(name, "", "must hold the list large_files and nothing else")
            continue
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            key = f"large_files::{number}"
            if not isinstance(entry, dict):
                yield Finding(name, key, "is not a dictionary")
                continue
            if unknown := sorted(map(str, entry.keys() - _KEYS)):
                yield Finding(name, key, f"has keys that MONAI hands to the download: {', '.join(unknown)}")
            problems = [_problem_with_url(entry.get("url")), _problem_with_hash(entry), _problem_with_path(entry)]
            yield from (Finding(name, key, *problem) for problem in problems if problem)
            if any(problems):
                continue
            path = entry["path"]
            if _fold(path) in seen:
                yield Finding(name, key, f"{path} is in the list twice")
            seen.add(_fold(path))
            if problem := _problem_with_content(source, entry, folded, texts):
                yield Finding(name, key, *problem)


def _is_list(name: str) -> bool:
    return "/" not in name and name.casefold().startswith("large_files") and name.lower().endswith(SUFFIXES)


def _fold(name: str) -> str:
    """The name as file systems see it that do not tell upper from lower case."""
    return unicodedata.normalize("NFC", name).casefold()


def _problem_with_url(url: Any) -> Problem | None:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return Problem(f"{url!r} is not an address")
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError as error:
        return Problem(f"{url!r} is not an address ({error})")
    if not url.startswith("https://") or not host:
        return Problem(f"{url} is not an address of https")
    return Problem(f"{url} has a user or a password in it") if user is not None else None


def _problem_with_hash(entry: Mapping[str, Any]) -> Problem | None:
    kind, value = entry.get("hash_type") or "sha256", entry.get("hash_val")
    if kind not in _DIGITS:
        return not_judged(f"has a hash of type {kind!r}, expected sha256 or sha512")
    if not value:
        return not_judged("has no hash_val, so any file would be taken")
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{_DIGITS[kind]}}}", value):
        return Problem(f"hash_val {value!r} is not a {kind} in lower-case hexadecimal digits, as a text")
    return None


def _problem_with_path(entry: Mapping[str, Any]) -> Problem | None:
    path = entry.get("path")
    if not isinstance(path, str) or not path:
        return Problem(f"path {path!r} is not a name")
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", path):
        return Problem(f"{path} is outside of the bundle")
    if not path.isprintable() or any(char in path for char in "\\:~$@%#") or PurePosixPath(path).as_posix() != path:
        return Problem(f"{path!r} is not a plain relative path with /")
    if any(part[0] == "." or part[-1] in ". " for part in parts):
        return Problem(f"{path!r} is a hidden file, or ends in a dot or a space")
    return None


def _problem_with_content(
    source: BundleSource, entry: Mapping[str, Any], folded: Mapping[str, str], texts: Mapping[str, str]
) -> Problem | None:
    """Problem with the file itself: it is there and another one, or it is not there and a run may load it."""
    path = entry["path"]
    there = folded.get(_fold(path))
    if there is not None and there != path:
        return Problem(f"{path} differs from {there} of the bundle only in upper and lower case")
    if there is not None:
        digest = source.digest(path, entry.get("hash_type") or "sha256")
        same = digest == entry["hash_val"]
        return None if same else Problem(f"{path} is in the bundle and has another hash, {digest}")
    again = "is not here, so it cannot be checked: download it, then verify the folder again"
    last = path.rpartition("/")[2]
    if loading := [file for file, text in texts.items() if last in text]:
        return not_judged(f"{path}, which {loading[0]} loads, {again}")
    return None if path.lower().endswith(_PLAIN) else not_judged(f"{path} {again}")
