"""Checks of config expressions, which are never run."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from bundle_verify.allowed_names import (
    ALL_BUILTINS,
    BUILTINS,
    PACKAGES,
    STANDARD_MODULES,
    is_refused_method,
    looked_up_argument,
    names_code,
    problem_with_looked_up,
    problem_with_name,
)
from bundle_verify.expression_tree import dotted, is_reference, parse_expression, refers_to_import

_NODES = (
    ast.Expression,
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Call,
    ast.keyword,
    ast.Subscript,
    ast.Slice,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.Starred,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.comprehension,
    ast.IfExp,
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.Lambda,
    ast.arguments,
    ast.arg,
    ast.boolop,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.expr_context,
)
# They put the bundle's own folder on the path: a bundle that carries its packages then runs from anywhere.
_PATH_IDIOMS = frozenset({"sys.path.insert(1, @bundle_root)", "sys.path.append(@bundle_root)"})
# Modules that may be imported under another name.
_ALIASES = {"numpy": "np"}


def problems_with_import(text: str, packages: frozenset[str]) -> list[str]:
    """Problems with an import; ``text`` is without its ``$``.

    Whole modules may be imported, but under their own names, because each use of them is checked by its name.
    """
    tree = parse_expression(text)
    assert not isinstance(tree, ast.Expression)
    problems = []
    for alias in tree.names:
        if isinstance(tree, ast.Import):
            name, top = alias.name, alias.name.split(".")[0]
            problem = None if top in PACKAGES | STANDARD_MODULES | packages else problem_with_name(name, packages)
            if alias.asname not in (None, _ALIASES.get(name)):
                problem = f"{name} under another name"
        else:
            name = f"{'.' * tree.level}{tree.module or ''}.{alias.name}"
            problem = f"{name} under another name" if alias.asname else problem_with_name(name, packages)
        if problem:
            problems.append(f"import of {problem}")
    return problems


def problems_with_expression(
    text: str, packages: frozenset[str], imported: Mapping[str, str] | None = None
) -> list[str]:
    """Problems with an expression: everything in it that no config needs. Empty if there are none.

    Allowed are constants, containers, comprehensions, operators, conditions, lambdas, references with their attributes
    and methods, calls of allowed builtins, and the names that :func:`problem_with_name` allows.

    Args:
        text: expression without the ``$``.
        packages: further packages whose names may be used, beside MONAI, torch, numpy and ignite.
        imported: names that imports bind, from :func:`~bundle_verify.expression_tree.imported_name`.
    """
    if text.strip() in _PATH_IDIOMS:
        return []
    try:
        tree = parse_expression(text)
        if isinstance(tree, (ast.Import, ast.ImportFrom)):
            return ["an import outside of imports", *problems_with_import(text, packages)]
        return list(dict.fromkeys(_Check(tree, packages, _names(imported)).problems))
    except (ValueError, RecursionError) as error:
        return [str(error)]


def _names(imported: Mapping[str, str] | None) -> dict[str, str]:
    """Full names behind the names in an expression: those that MONAI provides, and those of imports."""
    return {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy", **(imported or {})}


class _Check(ast.NodeVisitor):
    def __init__(self, tree: ast.Expression, packages: frozenset[str], imported: Mapping[str, str]) -> None:
        self.packages, self.imported = packages, imported
        self.problems: list[str] = []
        self.bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        taken = {name for name in self.bound if name in ALL_BUILTINS or name in imported or name.startswith("_")}
        if taken:
            self.problems.append(f"{min(taken)} is redefined")
        self.visit(tree)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _NODES):
            super().generic_visit(node)
        else:
            self.problems.append(f"{type(node).__name__} is not part of the allowed grammar")

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and "@" in node.value:
            self.problems.append("an @ within a text")
        if isinstance(node.value, str) and (problem := problem_with_argument(node.value, None)):
            self.problems.append(problem)

    def visit_Name(self, node: ast.Name) -> None:
        if not node.id.isascii():
            self.problems.append("a name that is not ASCII")
        elif node.id not in self.bound | BUILTINS:
            self.problems.append(f"the name {node.id}{' by itself' if node.id in self.imported else ''} is not allowed")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if is_reference(node):
            if refers_to_import(f"@{node.slice.value}"):  # type: ignore[attr-defined]
                self.problems.append("a reference to an import")
        else:
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = dotted(node)
        root, _, rest = path.partition(".")
        if path and root not in self.bound:
            self._name(f"{self.imported.get(root, root)}.{rest}")
            return
        self._attribute(node.attr)
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "getattr":
            # The same as an attribute, if the name is written out.
            wanted = node.args[1] if len(node.args) > 1 else None
            if not (isinstance(wanted, ast.Constant) and isinstance(wanted.value, str)):
                self.problems.append("getattr with a computed name")
            else:
                self._attribute(wanted.value)
        elif wanted_by_name := looked_up_argument(self.full_name(function)):
            argument, most = wanted_by_name
            if len(node.args) > most or any(isinstance(one, ast.Starred) for one in node.args):
                self.problems.append(f"{argument} must be a keyword argument")
            if any(one.arg is None for one in node.keywords):
                self.problems.append(f"{argument} must be written out")
        elif isinstance(function, ast.Name) and function.id in self.imported:
            self._name(self.imported[function.id])
        else:
            self.visit(function)
        for part in [*node.args, *node.keywords]:
            self.visit(part)

    def visit_keyword(self, node: ast.keyword) -> None:
        if problem := problem_with_argument(node.arg, getattr(node.value, "value", None)):
            self.problems.append(problem)
        if names_code(node.arg) and (problem := self.problem_with_code(node.value)):
            self.problems.append(problem)
        else:
            self.visit(node.value)

    def problem_with_code(self, node: ast.expr) -> str | None:
        """Problem with the value of an argument that names code, None if it is allowed."""
        if isinstance(node, (ast.List, ast.Tuple)):
            return next((problem for one in node.elts if (problem := self.problem_with_code(one))), None)
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            return None
        name = node.value if isinstance(node, ast.Constant) else self.full_name(node)
        if not isinstance(name, str) or not name:
            return "an argument that names code must be written out"
        return problem_with_looked_up(name, self.packages)

    def _attribute(self, name: str) -> None:
        if name.startswith("_") or not name.isascii():
            self.problems.append(f"attribute {name} is private")
        elif is_refused_method(name):
            self.problems.append(f"method {name} can run, load or write more than a config needs")

    def full_name(self, node: ast.expr) -> str:
        """Dotted name of a node, as in the installed packages; empty if a part is computed."""
        root, _, rest = dotted(node).partition(".")
        if root in self.bound:
            return ""
        return ".".join(part for part in (self.imported.get(root, root), rest) if part)

    def _name(self, name: str) -> None:
        if problem := problem_with_name(name, self.packages):
            self.problems.append(problem)
        elif looked_up_argument(name):
            self.problems.append(f"{name} without a call")


def problem_with_argument(name: str | None, value: object) -> str | None:
    """Problem with an argument of a call or a component, None if it is allowed."""
    if name == "allow_pickle" and value is not False:
        return "allow_pickle can run what a file holds"
    if name == "weights_only" and value is not True:
        return "weights_only can run what a file holds"
    return None


def problem_with_code_argument(
    value: object, packages: frozenset[str], imported: Mapping[str, str] | None = None
) -> str | None:
    """Problem with a config's value for an argument that names code, None if it is allowed.

    Args:
        value: value in the config; an expression may only name a class.
        packages: see :func:`problems_with_expression`.
        imported: see :func:`problems_with_expression`.
    """
    if not isinstance(value, str):
        return None
    tree: ast.Expression | ast.Import | ast.ImportFrom = ast.Expression(ast.Constant(value))
    if value[:1] == "$":
        try:
            tree = parse_expression(value[1:])
        except ValueError as error:
            return str(error)
    if not isinstance(tree, ast.Expression) or value[:1] in ("@", "%"):
        return "an argument that names code must be written out"
    return _Check(tree, packages, _names(imported)).problem_with_code(tree.body)
