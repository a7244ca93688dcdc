"""Configs as plain data: read strictly, never parsed by MONAI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bundle_verify.report import Finding
from bundle_verify.source import BundleSource

SUFFIXES = (".json", ".yaml", ".yml")
_MAX_DEPTH = 100  # of dictionaries and lists in each other
# The two supported forms of a macro: another file or a key of it, and a key of the same file.
_MACRO = re.compile(
    r"%(?:(?P<path>[\w./-]+\.(?:json|ya?ml))(?:::(?P<key>\w+(?:::\w+)*))?|(?P<own>\w+(?:::\w+)*))", re.ASCII
)


class NoDictionaryError(ValueError):
    """Readable file that is not a config."""


class RepeatedKeyError(ValueError):
    """File with a key twice, which readers understand differently."""


def read_configs(source: BundleSource, *, elsewhere: bool = False) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """Read the configs, except metadata.json: (configs by name, findings about unreadable files).

    Args:
        source: the bundle.
        elsewhere: read the files outside of ``configs/`` instead. Files without a dictionary are data there.
    """
    configs: dict[str, dict[str, Any]] = {}
    findings = []
    for name in source.names:
        if not name.lower().endswith(SUFFIXES) or name == "configs/metadata.json":
            continue
        if name.startswith("configs/") == elsewhere:
            continue
        try:
            content = read_config(source.read(name), name)
        except ValueError as error:
            if elsewhere and isinstance(error, NoDictionaryError):
                continue
            findings.append(Finding(name, "", str(error), judged=isinstance(error, RepeatedKeyError)))
            continue
        configs[name] = content
    return configs, findings


def read_config(content: bytes, name: str) -> dict[str, Any]:
    """Read one file of JSON or YAML.

    Raises:
        ValueError: if the file cannot be read, holds no dictionary, or has a key twice.
    """
    try:
        if name.lower().endswith(".json"):
            found = json.loads(content, object_pairs_hook=_without_doubles)
        else:
            found = _read_yaml(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"cannot be read ({error})") from error
    if _is_deep(found):
        raise ValueError(f"is nested deeper than {_MAX_DEPTH} levels")
    if not isinstance(found, dict):
        raise NoDictionaryError(f"holds a {type(found).__name__}, expected a dictionary")
    return found


def _is_deep(found: Any) -> bool:
    """Return True if dictionaries and lists stand in each other deeper than the checks descend."""
    level = [found]
    for _ in range(_MAX_DEPTH + 1):
        containers = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [below for container in containers for below in container]
        if not level:
            return False
    return True


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKeyError(f"has the key {key!r} twice; the last one would count")
        found[key] = value
    return found


def _read_yaml(content: bytes) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ValueError("cannot be read without pyyaml: pip install pyyaml") from error

    class Strict(yaml.SafeLoader):
        """Loader that refuses repeated keys, and aliases, which can blow up a small file."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases are not allowed")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            return _without_doubles([(self.construct_object(k, deep=True), None) for k, _ in node.value]) and (
                super().construct_mapping(node, deep)
            )

    try:
        return yaml.load(content, Loader=Strict)
    except ValueError:
        raise
    except Exception as error:  # of many kinds, for values that do not fit their tag
        raise ValueError(f"cannot be read ({error})") from error


def leaves(config: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, value) for each value that is no list or dictionary, with MONAI's keys: ``a::b::0``."""
    if isinstance(config, dict):
        parts: Any = config.items()
    elif isinstance(config, list):
        parts = enumerate(config)
    else:
        yield key, config
        return
    for name, value in parts:
        yield from leaves(value, f"{key}::{name}" if key else str(name))


def id_parts(key: str) -> list[str]:
    """Parts of a key; ``+a::b`` and ``a#b``, as overlays write them, are the same place as ``a::b``."""
    return [part.removeprefix("+") for part in re.split("::|#", key)]


def look_up(config: Any, key: str) -> Any:
    """Value of a key such as ``a::b::0`` (or ``a#b#0``).

    Raises:
        KeyError: if there is no such key.
    """
    for part in re.split("::|#", key) if key else []:
        if isinstance(config, dict) and part in config:
            config = config[part]
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            raise KeyError(key)
    return config


def look_up_macro(text: str, own: dict[str, Any], configs: Mapping[str, dict[str, Any]]) -> Any:
    """Value of a macro: ``%file::id`` of a config of the bundle, or ``%id`` of the config ``own``.

    Raises:
        ValueError: if the macro has another form, or the bundle has no such file or id.
    """
    match = _MACRO.fullmatch(text.replace("#", "::"))
    if match is None:
        raise ValueError(f"macro {text[:100]!r} has a form that is not supported")
    path, key = match["path"], match["key"] or match["own"] or ""
    if path and (path.startswith("/") or ".." in path.split("/")):
        raise ValueError(f"macro to a file outside of the bundle: {path}")
    if path and path not in configs:
        raise ValueError(f"macro to {path}, which is not a config of the bundle")
    try:
        return look_up(configs[path] if path else own, key)
    except KeyError:
        raise ValueError(f"macro to {key!r}, which {path or 'the file'} does not hold") from None
