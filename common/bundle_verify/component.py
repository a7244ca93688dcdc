"""A known component: its name, its arguments, and the rules that they have.

The arguments are written in order:

* ``name`` may have any value, ``name:rule`` only one that the rule allows (:mod:`~bundle_verify.argument_rules`).
* ``*``: the arguments after it are given by name.
* ``...``: any further arguments by position, ``**``: any further arguments by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Arguments that have a rule wherever they occur.
RULES = {"allow_pickle": "false", "weights_only": "true", "pickle_module": "pickle"}


@dataclass(frozen=True)
class Component:
    """Known class, function or constant with its arguments."""

    name: str
    positional: tuple[str, ...] = ()
    keywords: frozenset[str] = frozenset()
    rules: Mapping[str, str] = field(default_factory=lambda: RULES)
    any_positional: bool = False
    any_keyword: bool = False

    @property
    def guarded(self) -> bool:
        """Whether an argument of this component has a rule, so that each call must be seen."""
        return any(name in self.keywords for name in self.rules)

    @classmethod
    def from_text(cls, name: str, text: str) -> Component:
        """Component from its line in the list."""
        before, _, after = text.partition("*") if "*" in text.split() else (text, "", "")
        rules = dict(word.split(":") for word in text.split() if ":" in word)
        in_order = [word.partition(":")[0] for word in before.split() if word not in ("...", "**")]
        by_name = [word.partition(":")[0] for word in after.split() if word not in ("...", "**")]
        return cls(
            name,
            tuple(in_order),
            frozenset(in_order + by_name),
            {**RULES, **rules},
            any_positional="..." in text.split(),
            any_keyword="**" in text.split(),
        )

    @classmethod
    def from_signature(cls, name: str, function: Any) -> Component:
        """Component from the signature of an installed class or function of this collection."""
        kinds = inspect.Parameter
        parameters = list(inspect.signature(function).parameters.values())
        in_order = [one.name for one in parameters if one.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        by_name = [one.name for one in parameters if one.kind is kinds.KEYWORD_ONLY]
        return cls(
            name,
            tuple(in_order),
            frozenset(in_order + by_name),
            any_positional=any(one.kind is kinds.VAR_POSITIONAL for one in parameters),
            any_keyword=any(one.kind is kinds.VAR_KEYWORD for one in parameters),
        )
