"""An extension of griffe, which reads the source for the site and for the tables of keys."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Roles of reStructuredText become code, and a function is found though its module has the same name."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = without_roles(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        show_functions(pkg)


def without_roles(text: str) -> str:
    """A docstring with ``:role:`~a.B``` as ```B```, and ``:role:`a.B``` as ```a.B```."""
    text = re.sub(r":[a-z]+:`~(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return re.sub(r":[a-z]+:`([^`]+)`", r"`\1`", text)


def show_functions(module: griffe.Module) -> None:
    """Put what a package exports in the place of a module of the same name.

    After ``from brain_bundles.bundle.load import load`` Python finds the function, but griffe the module.
    """
    for name, member in list(module.members.items()):
        if isinstance(member, griffe.Module):
            show_functions(member)
            if name in (module.exports or ()) and name in member.members:
                module.members[name] = griffe.Alias(name, member.members[name], parent=module)
