"""Components that a config may call.

``known_components.json`` lists them for MONAI, PyTorch, Ignite and a few others: module -> name -> arguments. It holds
what runs no code, whatever arguments without a rule are given. What is not in it is not judged.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bundle_verify.component import Component
from bundle_verify.report import Problem, not_judged

_LIST = Path(__file__).with_name("known_components.json")
# Packages of this collection -> the parts whose public classes and functions a config may call (None: all).
OUR_PACKAGES: Mapping[str, tuple[str, ...] | None] = {
    "brain_bundles": (
        "data",
        "engines",
        "evaluation",
        "handlers",
        "inferers",
        "losses",
        "metrics",
        "networks",
        "phantom",
        "runs",
        "schedulers",
        "transforms",
        "utils",
        "visualize",
    ),
    "bundle_verify": (),
    "brain_mri_generator": None,
    "brain_mri_slice2volume_translator": None,
    "brain_mri_adaptive_translator": None,
    "brain_mri_segmenter": None,
}
# Installed packages in which one thing has several names.
_LOOKED_UP = ("monai", "torch", "numpy", "ignite")
# Names that run code, load it or start a program. The list makes a finding clearer; nothing relies on it.
_RUNS_CODE = frozenset(
    {
        "code",
        "ctypes",
        "importlib",
        "marshal",
        "pickle",
        "pty",
        "runpy",
        "shelve",
        "subprocess",
        "os.system",
        "os.popen",
    }
)


@cache
def listed() -> Mapping[str, Component]:
    """Components of the list, by their dotted names."""
    modules = json.loads(_LIST.read_text(encoding="utf-8"))
    return {
        f"{m}.{name}": Component.from_text(name, text) for m, part in modules.items() for name, text in part.items()
    }


@cache
def importable() -> frozenset[str]:
    """Modules that a config may import: those above a known component."""
    names = [*listed(), *OUR_PACKAGES, "torchvision", "torch_tensorrt"]
    return frozenset(".".join(name.split(".")[: n + 1]) for name in names for n in range(max(name.count("."), 1)))


@cache
def known_component(name: str, carried: frozenset[str] = frozenset()) -> Component | Problem:
    """Component with a dotted name, or why the name cannot be judged.

    A name that is not in the list itself is looked up in the installed packages, never in a bundle: the same class may
    have several names, and one module can be reached through another, as in ``monai.data.utils.os.system``.

    Args:
        name: dotted name, such as ``monai.networks.nets.UNet``.
        carried: packages that the bundle carries; their code is a finding of its own.
    """
    parts = name.split(".")
    if not all(part.isidentifier() and part.isascii() for part in parts):
        return not_judged(f"{name!r} is not a name")
    if any(part.startswith("__") for part in parts):
        return Problem(f"{name} is private")
    if parts[0] in carried:
        return Component(name, any_positional=True, any_keyword=True)
    if any(part.startswith("_") for part in parts):
        return not_judged(f"{name} is private")
    if name in listed():
        return listed()[name]
    if parts[0] in _RUNS_CODE or _starts(name, _RUNS_CODE) or name.startswith(("os.exec", "os.spawn", "os.posix")):
        return Problem(f"{name} is not in the allow-list; it runs code")
    ours = parts[0] in OUR_PACKAGES
    if not ours and parts[0] not in _LOOKED_UP:
        return not_judged(f"{name} is not in the allow-list")
    try:
        found, member = _resolve(parts)
    except (ImportError, AttributeError) as error:
        return not_judged(f"{name} does not exist in the installed packages ({error})")
    except ValueError as error:
        return not_judged(f"{name} is not in the allow-list ({error})")
    if isinstance(found, ModuleType):
        return not_judged(f"{name} is a whole module")
    where = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if ours and member is None and _is_public(found, parts[0]):
        return Component.from_signature(name, found)
    if where in listed() and (member is None or (isinstance(found, type) and issubclass(found, Enum))):
        return listed()[where]
    return not_judged(f"{name} is not in the allow-list")


def _resolve(parts: list[str]) -> tuple[Any, str | None]:
    """Look up a name: (object, None); for a member of a class: (class, name of the member).

    Raises:
        ImportError: if the name does not exist.
        AttributeError: if the name does not exist.
        ValueError: if the name leads through another package, or further down than a member of a class.
    """
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        if isinstance(found, type):
            getattr(found, part)
            if number < len(parts):
                raise ValueError(f"{'.'.join(parts[:number])} is a member of a class")
            return found, part
        if not isinstance(found, ModuleType):
            raise ValueError(f"{'.'.join(parts[: number - 1])} is neither a module nor a class")
        if found.__name__.split(".")[0] != parts[0]:
            raise ValueError(f"{found.__name__} is another package")
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:number]))
        found = getattr(found, part)
    return found, None


def _is_public(found: Any, package: str) -> bool:
    """Return True if a class or function of this collection is defined in a part that configs may use."""
    module = getattr(found, "__module__", "") or ""
    parts = OUR_PACKAGES[package]
    if not callable(found) or module.split(".")[0] != package:
        return False
    return parts is None or _starts(module.partition(".")[2], parts)


def _starts(name: str, prefixes: Any) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in prefixes)


def is_installed(package: str) -> bool:
    """Return True if a package is installed; it is not imported."""
    return importlib.util.find_spec(package) is not None
