"""Build the network of a config without running the config."""

from __future__ import annotations

import ast
import importlib
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bundle_verify.config_text import look_up
from bundle_verify.expression_tree import REFERENCE

# Names that may be built: networks and their parts, from installed packages, never from the bundle.
MAKE_SCHEDULER = "brain_bundles.schedulers.make_scheduler"
LATENT_SHAPE = "brain_bundles.networks.latent_shape"
READ_RECIPE = "brain_bundles.utils.read_recipe"  # its values are in the weights
BUILDABLE = ("monai.networks.", "torch.nn.", "brain_bundles.networks.", MAKE_SCHEDULER)
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_MAX_NUMBER = 8192


class CannotBuildError(Exception):
    """The network cannot be built from text alone; the message says why."""


def build_network(
    config: Mapping[str, Any], key: str, packages: tuple[str, ...] = (), recipe: Mapping[str, Any] | None = None
) -> nn.Module:
    """Build the network under a key of a config, on the meta device: names and shapes without values.

    References are followed. In expressions, this module itself computes arithmetic, comparisons, conditions, ``len``
    and indexing, and nothing else.

    Args:
        config: content of one file.
        key: id of the network, such as ``network_def``.
        packages: further installed packages whose networks may be built.
        recipe: settings that the weights carry, which a config reads from there.

    Raises:
        CannotBuildError: if the network needs anything else, or refuses its arguments.
    """
    try:
        allowed = (*BUILDABLE, *(f"{name}." for name in packages))
        network = _Builder(config, allowed, recipe or {}).value(look_up(config, key))
    except KeyError as error:
        raise CannotBuildError(f"{error.args[0]!r} is not in the config") from error
    except RecursionError as error:
        raise CannotBuildError("references go in a circle") from error
    if not isinstance(network, nn.Module):
        raise CannotBuildError(f"it is a {type(network).__name__}, not a network")
    if any(is_lazy(one) for one in network.parameters()):
        raise CannotBuildError("its shapes are known only after it has run")
    return network


def _check_size(item: Any) -> None:
    """Refuse arguments that make a network slow to build."""
    if isinstance(item, (list, tuple, dict, str)) and len(item) > 256:
        raise CannotBuildError("a list of more than 256 parts")
    if isinstance(item, (int, float)) and abs(item) > _MAX_NUMBER:
        raise CannotBuildError(f"a number above {_MAX_NUMBER}")
    for part in item.values() if isinstance(item, dict) else item if isinstance(item, (list, tuple)) else ():
        _check_size(part)


class _Builder:
    def __init__(self, config: Mapping[str, Any], allowed: tuple[str, ...], recipe: Mapping[str, Any]) -> None:
        self.config, self.allowed, self.recipe = config, allowed, recipe
        self.built: dict[str, Any] = {}

    def value(self, item: Any) -> Any:
        if isinstance(item, dict):
            return self.component(item) if "_target_" in item else {k: self.value(v) for k, v in item.items()}
        if isinstance(item, list):
            return [self.value(part) for part in item]
        if not isinstance(item, str):
            return item
        if item.startswith("$"):
            return self.expression(item[1:])
        if REFERENCE.fullmatch(item.replace("#", "::")):
            return self.reference(item)
        return item

    def reference(self, text: str) -> Any:
        key = re.sub("#", "::", text[1:])
        if key not in self.built:
            self.built[key] = self.value(look_up(self.config, key))
        return self.built[key]

    def component(self, item: dict[str, Any]) -> Any:
        if "_disabled_" in item and self.value(item["_disabled_"]) in (True, "true", "True"):
            return None
        target = item["_target_"]
        if target == READ_RECIPE:
            return self.recipe
        name = target if isinstance(target, str) and "." in target else f"monai.networks.nets.{target}"
        parts = name.split(".")
        if not name.startswith(self.allowed) or not all(part.isidentifier() and part[0] != "_" for part in parts):
            raise CannotBuildError(f"it needs {target}")
        arguments = {key: self.value(value) for key, value in item.items() if not re.fullmatch("_.*_", str(key))}
        try:
            found = getattr(importlib.import_module(".".join(parts[:-1])), parts[-1])
        except (ImportError, AttributeError) as error:
            raise CannotBuildError(f"{name} does not exist in the installed packages") from error
        schedule = name in (MAKE_SCHEDULER, LATENT_SHAPE)
        fits = (
            isinstance(found, type) and issubclass(found, nn.Module) and f"{found.__module__}.".startswith(self.allowed)
        )
        if not (schedule or fits):
            raise CannotBuildError(f"it needs {target}, which is not a network")
        if fetching := [
            key for key in arguments if re.search("pretrain|url|path|weights|checkpoint|download|cache", key)
        ]:
            raise CannotBuildError(f"it needs {fetching[0]}, and networks may read files with such an argument")
        _check_size(arguments)
        try:
            # Schedulers compute with their values; networks are built without values.
            with torch.device("cpu" if schedule else "meta"):
                return found(**arguments)
        except Exception as error:  # of any kind, from a network that refuses its arguments
            raise CannotBuildError(f"{name}: {type(error).__name__}: {error}") from error

    def expression(self, text: str) -> Any:
        references: list[str] = []

        def place(match: re.Match) -> str:
            references.append(match[0])
            return f"_reference{len(references) - 1}_"

        try:
            tree = ast.parse(REFERENCE.sub(place, text.replace("#", "::")).strip(), mode="eval").body
            return self.node(tree, references)
        except (SyntaxError, TypeError, ValueError, IndexError, ZeroDivisionError, MemoryError) as error:
            raise CannotBuildError(f"${text}: {error}") from error

    def node(self, node: ast.expr, references: list[str]) -> Any:
        def go(part: ast.expr) -> Any:
            return self.node(part, references)

        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name) if (found := re.fullmatch(r"_reference(\d+)_", name)) is not None:
                return self.reference(references[int(found[1])])
            case ast.List() | ast.Tuple():
                return [go(part) for part in node.elts]
            case ast.IfExp():
                return go(node.body) if go(node.test) else go(node.orelse)
            case ast.BoolOp():
                values = [go(part) for part in node.values]
                return all(values) if isinstance(node.op, ast.And) else any(values)
            case ast.UnaryOp(op=ast.Not()):
                return not go(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return -go(node.operand)
            case ast.BinOp() if type(node.op) in _OPERATORS:
                sides = go(node.left), go(node.right)
                if isinstance(node.op, ast.Mult) and not all(isinstance(side, (int, float)) for side in sides):
                    raise CannotBuildError("it needs a repeated list or text")
                _check_size(sides)
                return _OPERATORS[type(node.op)](*sides)
            case ast.Compare(ops=[op]) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](go(node.left), go(node.comparators[0]))
            case ast.Call(
                func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=str(key)), *default], keywords=[]
            ):
                if (found := go(value)) is not self.recipe:
                    raise CannotBuildError("it needs a look-up outside of the recipe of the weights")
                return found[key] if key in found else go(default[0]) if default else None
            case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]):
                return len(go(argument))
            case ast.Subscript(slice=ast.Slice() as part):
                bounds = [None if one is None else go(one) for one in (part.lower, part.upper, part.step)]
                return go(node.value)[slice(*bounds)]
            case ast.Subscript():
                return go(node.value)[go(node.slice)]
        raise CannotBuildError(f"it needs an expression that is more than arithmetic: {ast.unparse(node)}")
