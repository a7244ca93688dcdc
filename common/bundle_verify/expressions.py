"""Checks of config expressions, which are never run."""

from __future__ import annotations

import ast
import re
from typing import Any

from bundle_verify.argument_rules import COMPUTED, Named, problem_with_format, problems_with_call
from bundle_verify.component import RULES, Component
from bundle_verify.components import known_component, listed
from bundle_verify.expression_tree import GRAMMAR, dotted, is_reference, parse_expression
from bundle_verify.imports import PROVIDED, Imports
from bundle_verify.members import ATTRIBUTES, METHODS
from bundle_verify.report import Problem, not_judged

# They put the bundle's own folder on the path: a bundle that carries its packages then runs from anywhere.
PATH_IDIOMS = frozenset({"sys.path.insert(1, @bundle_root)", "sys.path.append(@bundle_root)"})
_RUN_CODE = frozenset(["__import__", "breakpoint", "compile", "delattr", "eval", "exec", "globals", "locals", "vars"])
# Switches of PyTorch that a config may set.
_SWITCHES = frozenset({"allow_tf32", "benchmark", "deterministic", "enabled"})


def problems_with_expression(text: str, imports: Imports, carried: frozenset[str] = frozenset()) -> list[Problem]:
    """Problems with an expression, empty if all of it is known.

    Known are constants, containers, comprehensions, operators, conditions, lambdas, references, the attributes and
    methods of :mod:`~bundle_verify.members`, and known components with known arguments.

    Args:
        text: expression without the ``$``.
        imports: all imports of the bundle's configs.
        carried: packages that the bundle carries.
    """
    if text.strip() in PATH_IDIOMS:
        return []
    try:
        tree = parse_expression(text)
        if not isinstance(tree, ast.Expression):
            return [not_judged("an import that only becomes one when its references are replaced")]
        check = Expression(tree, imports, carried)
        check.visit(tree)
        return list(dict.fromkeys(check.problems))
    except (ValueError, RecursionError) as error:
        return [not_judged(str(error))]


class Expression(ast.NodeVisitor):
    """Visitor that collects the problems of one expression."""

    def __init__(self, tree: ast.Expression, imports: Imports, carried: frozenset[str]) -> None:
        self.imports, self.carried = imports, carried
        self.imported = {**PROVIDED, **imports.names}
        self.problems: list[Problem] = []
        self.bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        builtin = {name for name in self.bound if f"builtins.{name}" in listed() or name in _RUN_CODE}
        taken = {
            name for name in self.bound if name in builtin | self.imported.keys() or re.match("__.", name.rstrip("_"))
        }
        if taken:
            self.problems.append(not_judged(f"{min(taken)} is redefined"))

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, GRAMMAR):
            super().generic_visit(node)
        else:
            self.problems.append(not_judged(f"{type(node).__name__} is not part of the allowed grammar"))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and "@" in node.value:
            self.problems.append(not_judged("an @ within a text"))
        if isinstance(node.value, str) and node.value in RULES:
            self.problems.append(Problem(f"{node.value} can run what a file holds"))

    def visit_Name(self, node: ast.Name) -> None:
        if not node.id.isascii():
            self.problems.append(not_judged("a name that is not ASCII"))
        elif node.id not in self.bound:
            self._without_call(self._component(node), node.id)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._store(node)
        if not is_reference(node):
            self.generic_visit(node)
        elif self.imports.referred_to(f"@{node.slice.value}"):  # type: ignore[attr-defined]
            self.problems.append(not_judged("a reference to an import"))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._store(node)
        if (found := self._component(node)) is not None:
            self._without_call(found, dotted(node))
            return
        self._member(node.attr)
        self.visit(node.value)

    def _store(self, node: ast.Attribute | ast.Subscript) -> None:
        """A comprehension can set any attribute: ``[0 for torch.load in [...]]``."""
        if isinstance(node.ctx, ast.Store):
            self.problems.append(not_judged("an assignment to something other than a variable"))

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = function.id if isinstance(function, ast.Name) and function.id not in self.bound else ""
        if name in ("getattr", "setattr"):
            self._getattr(node) if name == "getattr" else self._setattr(node)
            return
        if (found := self._component(function)) is not None:
            self._call(found, node)
        elif isinstance(function, ast.Attribute):
            self._method(function, node)
        else:
            self.visit(function)
            self._call(Component("a call", any_positional=True, any_keyword=True), node, known=False)
        for part in [*node.args, *node.keywords]:
            self.visit(part)

    def _component(self, node: ast.expr) -> Component | Problem | None:
        """What a dotted name means, None for everything else. It ends before a known member: ``os.environ.get``."""
        root, _, rest = dotted(node).partition(".")
        if not root or root in self.bound:
            return None
        if root not in self.imported and (not rest or f"builtins.{root}" in listed()):
            if rest:
                return None
            if f"builtins.{root}" in listed():
                return listed()[f"builtins.{root}"]
            return Problem(f"the name {root} is not allowed", judged=root in _RUN_CODE)
        full = self.full_name(node)
        if not rest and full in PROVIDED.values():
            return not_judged(f"the name {root} by itself is not allowed")
        found = known_component(full, self.carried)
        if isinstance(found, Component) or not isinstance(node, ast.Attribute):
            return found
        above = self._component(node.value)
        return None if isinstance(above, Component) and node.attr in ATTRIBUTES | METHODS.keys() else found

    def full_name(self, node: ast.expr) -> str:
        """Dotted name of a node, as in the installed packages; empty if a part is computed."""
        root, _, rest = dotted(node).partition(".")
        if root in self.bound:
            return ""
        return ".".join(part for part in (self.imported.get(root, root), rest) if part)

    def value(self, node: ast.expr) -> Any:
        """Value of an argument for the rules."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.value(one) for one in node.elts]
        if isinstance(node, ast.Lambda):
            return Named("lambda")
        name = self.full_name(node) or (self.full_name(node.func) if isinstance(node, ast.Call) else "")
        return Named(name) if name else COMPUTED

    def _call(self, found: Component | Problem, node: ast.Call, *, known: bool = True) -> None:
        if isinstance(found, Problem):
            self.problems.append(found)
            return
        keywords: dict[str, Any] = {}
        double_starred = False
        for one in node.keywords:
            if one.arg is not None:
                keywords[one.arg] = self.value(one.value)
            elif isinstance(one.value, ast.Dict) and all(isinstance(key, ast.Constant) for key in one.value.keys):
                pairs = zip(one.value.keys, one.value.values, strict=True)
                keywords |= {str(key.value): self.value(value) for key, value in pairs}  # type: ignore[union-attr]
            else:
                double_starred = True
        if double_starred and not known:
            self.problems.append(not_judged("arguments of a call must be written out"))
        starred = any(isinstance(one, ast.Starred) for one in node.args)
        positional = [self.value(one) for one in node.args if not isinstance(one, ast.Starred)]
        self.problems += problems_with_call(
            found, positional, keywords, starred=starred, double_starred=double_starred and known
        )

    def _without_call(self, found: Component | Problem | None, name: str) -> None:
        if isinstance(found, Problem):
            self.problems.append(found)
        elif found is not None and found.guarded:
            self.problems.append(not_judged(f"{name} without a call"))

    def _member(self, name: str) -> None:
        if name.startswith("__"):
            self.problems.append(Problem(f"attribute {name} is private"))
        elif name in METHODS:
            self._without_call(METHODS[name], f"method {name}")
        elif name not in ATTRIBUTES:
            self.problems.append(not_judged(f"attribute {name} is not in the allow-list"))

    def _method(self, function: ast.Attribute, node: ast.Call) -> None:
        if function.attr in ("format", "format_map"):
            text = getattr(function.value, "value", None) if isinstance(function.value, ast.Constant) else None
            problem = problem_with_format(text) if isinstance(text, str) else not_judged("a format that is computed")
            self.problems += [problem] if problem else []
        elif function.attr in METHODS:
            self._call(METHODS[function.attr], node)
        elif function.attr.startswith("__"):
            self._member(function.attr)
        else:
            self.problems.append(not_judged(f"method {function.attr} is not in the allow-list"))
        self.visit(function.value)

    def _getattr(self, node: ast.Call) -> None:
        """The same as an attribute, if the name is written out."""
        wanted = self.value(node.args[1]) if len(node.args) > 1 and not node.keywords else COMPUTED
        if isinstance(wanted, str) and not isinstance(wanted, Named):
            self._member(wanted)
        else:
            self.problems.append(not_judged("getattr with a computed name"))
        for part in node.args:
            self.visit(part)

    def _setattr(self, node: ast.Call) -> None:
        """A switch of ``torch.backends`` that is set to a constant."""
        values = [self.value(part) for part in node.args]
        if (
            len(values) != 3
            or values[0] not in (Named("torch.backends.cudnn"), Named("torch.backends.cuda.matmul"))
            or values[1] not in _SWITCHES
            or not isinstance(values[2], bool)
        ):
            self.problems.append(not_judged("the name setattr is not allowed"))
            for part in node.args:
                self.visit(part)
