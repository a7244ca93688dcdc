"""What a key of a config means, from the docstrings of what it configures and from a list of words for the rest."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import griffe
from griffe_extension import Docstrings, without_roles

ROOT = Path(__file__).parents[1]
BUNDLES = sorted(path.parent for path in ROOT.glob("bundles/*/configs"))
MONAI_KEYS = {
    "_desc_": "a note for the reader; nothing is done with it",
    "_disabled_": "true leaves the component out",
    "_mode_": "`callable` hands on the class or function, with the arguments given here, instead of its result",
    "_requires_": "what is built before this component",
}


@functools.cache
def packages() -> griffe.ModulesCollection:
    """The source of this collection, read and not run."""
    paths = [str(ROOT / "common"), *map(str, BUNDLES)]
    loader = griffe.GriffeLoader(
        search_paths=paths, docstring_parser="google", extensions=griffe.load_extensions(Docstrings)
    )
    for name in ("brain_bundles", *(path.name for path in BUNDLES)):
        loader.load(name)
    loader.resolve_aliases()
    return loader.modules_collection


def find(target: str) -> griffe.Object | None:
    """A class or function of this collection by its dotted name; None for anything else."""
    if target.split(".")[0] not in packages().members:
        return None
    found = packages()[target]
    return found.final_target if isinstance(found, griffe.Alias) else found


@functools.cache
def summary(target: str) -> str:
    """The first sentence of a component's docstring; the library's name where it is not of this collection."""
    found = find(target)
    if found is None:
        return f"of {target.split('.')[0]}"
    assert found.docstring is not None, f"{target} has no docstring"
    return plain(found.docstring.value.split("\n\n")[0])


@functools.cache
def arguments(target: str) -> Mapping[str, str]:
    """Name -> meaning of the arguments of a component of this collection; empty for others."""
    found = find(target)
    meanings: dict[str, str] = {}
    sources = [found, found.members.get("__init__") if isinstance(found, griffe.Class) else None]
    for source in sources:
        if source is None or source.docstring is None:
            continue
        # Several arguments may share a line ("beta_start, beta_end: ends of ..."), of which griffe would warn.
        for section in source.docstring.parse("google", warn_unknown_params=False, warn_missing_types=False):
            if section.kind is griffe.DocstringSectionKind.parameters:
                for one in section.value:
                    meanings |= {name.strip(): plain(one.description) for name in one.name.split(",")}
    return meanings


def plain(text: str) -> str:
    """A docstring's text for a cell of a table: one line, code spans with one backtick, nothing that is markup."""
    text = " ".join(text.split())
    text = without_roles(text).replace("``", "`")
    spans = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else part.replace("<", "&lt;").replace("*", r"\*").replace("|", r"\|")
        for part in spans
    )


def parts(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every part of a config with its path, from the outside: (``train::handlers::0``, its value)."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        inside = ()  # a list of numbers is one value
    for key, one in inside:
        below = f"{path}::{key}" if path else str(key)
        yield below, one
        yield from parts(one, below)


@functools.cache
def words() -> Mapping[str, str]:
    return json.loads((ROOT / "docs" / "config_words.json").read_text(encoding="utf-8"))


def meanings(bundle: str, configs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Path -> meaning, for all paths of a bundle's configs of which something is known.

    A key takes its meaning from, in this order: the words (of this bundle, then of all), its own ``_desc_``, the
    docstring of the component that stands there, and the docstring of the first argument to which it is handed on.
    """
    found: dict[str, str] = {}
    handed_on: dict[str, str] = {}
    noted: dict[str, dict[str, str]] = {}
    for file, config in configs.items():
        for path, value in parts(config):
            if isinstance(value, dict) and "_target_" in value:
                known = arguments(value["_target_"])
                found.setdefault(path, summary(value["_target_"]))
                for name, one in value.items():
                    found.setdefault(f"{path}::{name}", MONAI_KEYS.get(name) or known.get(name, ""))
                    if isinstance(one, str) and one.startswith("@") and name in known:
                        handed_on.setdefault(one[1:], known[name])
                if "_desc_" in value:
                    noted.setdefault(path, {}).setdefault(plain(value["_desc_"]), file)
    for path, notes in noted.items():  # files may differ in what stands there
        found[path] = "; ".join(notes if len(notes) == 1 else (f"*{file}*: {text}" for text, file in notes.items()))
    found |= {path: text for path, text in handed_on.items() if not found.get(path)}
    for name, text in words().items():
        one, _, key = name.rpartition("/")
        if one in ("", bundle) and (one or f"{bundle}/{key}" not in words()):
            found[key] = text
    return {path: text for path, text in found.items() if text}
