"""Config expressions, looked at and never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from brain_bundles.zoo.allowed_names import BUILTINS, METHODS_REFUSED, PACKAGES, STANDARD_MODULES, problem_with_name

# As monai.bundle's ReferenceResolver finds them.
REFERENCE = re.compile(r"@\w*(?:(?:::|#)\w*)*")
_PLACE = "_reference"
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
# Puts the bundle's own folder on the path, so that a bundle that carries its packages runs from anywhere.
_PATH_IDIOMS = frozenset({f"sys.path.insert(1, {_PLACE})", f"sys.path.append({_PLACE})"})


def parse_expression(text: str) -> ast.Expression | ast.Import | ast.ImportFrom:
    """The tree of an expression without its ``$``; references become names.

    Raises:
        ValueError: if it is no Python expression or import.
    """
    plain = REFERENCE.sub(_PLACE, text).strip()
    try:
        body = ast.parse(plain).body
        if len(body) == 1 and isinstance(body[0], (ast.Import, ast.ImportFrom)):
            return body[0]
        return ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"is not an expression ({error})") from error


def imported_name(text: str) -> dict[str, str]:
    """What an import of one name binds: its name in expressions -> its full one; empty for what is no import."""
    try:
        tree = parse_expression(text)
    except ValueError:
        return {}
    if isinstance(tree, ast.Expression):
        return {}
    alias = tree.names[0]  # MONAI ignores the others
    full = alias.name if isinstance(tree, ast.Import) else f"{tree.module}.{alias.name}"
    return {alias.asname or alias.name: full}


def problems_with_expression(
    text: str, packages: Iterable[str], imported: Mapping[str, str] | None = None
) -> list[str]:
    """What an expression does that a config has no need to; empty if nothing.

    Allowed are constants, containers, comprehensions, operators, conditions, lambdas, references with their attributes
    and methods, calls of allowed builtins, and the names that :func:`problem_with_name` lets pass.

    Args:
        text: without the ``$``.
        packages: whose names may be used beside MONAI's, torch's and numpy's.
        imported: what imports bind, of :func:`imported_name`.
    """
    packages = [*packages]
    try:
        tree = parse_expression(text)
    except ValueError as error:
        return [str(error)]
    if isinstance(tree, (ast.Import, ast.ImportFrom)):
        return _problems_with_import(tree, packages)
    if "@bundle_root" in text and ast.unparse(tree.body) in _PATH_IDIOMS:
        return []
    names = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy", **(imported or {})}
    return list(dict.fromkeys(_Check(tree, packages, names).problems))


def _problems_with_import(tree: ast.Import | ast.ImportFrom, packages: list[str]) -> list[str]:
    """Whole modules of the standard library may be imported: what is then used of them is looked at by its name."""
    problems = []
    for alias in tree.names:
        if isinstance(tree, ast.Import):
            name = alias.name
            fine = name.split(".")[0] in PACKAGES | STANDARD_MODULES | {*packages}
            problem = None if "." not in name and fine else problem_with_name(name, packages)
        else:
            name = f"{'.' * tree.level}{tree.module or ''}.{alias.name}"
            problem = problem_with_name(name, packages)
        if problem:
            problems.append(f"import of {problem}")
    return problems


class _Check(ast.NodeVisitor):
    def __init__(self, tree: ast.Expression, packages: list[str], imported: Mapping[str, str]) -> None:
        self.packages, self.imported = packages, imported
        self.problems: list[str] = []
        self.bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        if shadowed := self.bound & (BUILTINS | {*imported, _PLACE, "getattr"}):
            self.problems.append(f"{min(shadowed)} becomes the name of something else")
        self.visit(tree)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _NODES):
            super().generic_visit(node)
        else:
            self.problems.append(f"{type(node).__name__} is not part of the allowed grammar")

    def visit_Name(self, node: ast.Name) -> None:
        if node.id not in self.bound | BUILTINS | {_PLACE}:
            self.problems.append(f"the name {node.id}" + (" by itself" if node.id in self.imported else ""))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = _dotted(node)
        root, _, rest = path.partition(".")
        if path and root not in self.bound | {_PLACE}:
            self._name(f"{self.imported.get(root, root)}.{rest}")
            return
        if node.attr.startswith("_"):
            self.problems.append(f"attribute {node.attr} is private")
        elif node.attr in METHODS_REFUSED:
            self.problems.append(f"method {node.attr} can run, load or write what a config has no need to")
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "getattr":
            # As good as an attribute, if its name is written down.
            wanted = node.args[1] if len(node.args) > 1 else None
            if not (isinstance(wanted, ast.Constant) and isinstance(wanted.value, str)):
                self.problems.append("getattr with a name that is computed")
            elif wanted.value.startswith("_") or wanted.value in METHODS_REFUSED:
                self.problems.append(f"attribute {wanted.value} can run, load or write what a config has no need to")
            elif not _is_reference(node.args[0]):
                self.problems.append("getattr of something else than a reference")
        elif isinstance(function, ast.Name) and function.id in self.imported:
            self._name(self.imported[function.id])
        else:
            self.visit(function)
        for part in [*node.args, *node.keywords]:
            self.visit(part)

    def _name(self, name: str) -> None:
        if problem := problem_with_name(name, self.packages):
            self.problems.append(problem)


def _is_reference(node: ast.expr) -> bool:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return isinstance(node, ast.Name) and node.id == _PLACE


def _dotted(node: ast.expr) -> str:
    """``a.b.c`` as text, empty if it is something else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
