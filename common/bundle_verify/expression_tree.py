"""Syntax trees of config expressions as MONAI evaluates them; nothing is run."""

from __future__ import annotations

import ast
import re

# References as monai.bundle's ReferenceResolver finds them, after it has turned every # into ::.
REFERENCE = re.compile(r"@(?:\w*)(?:::\w*)*")
_PLACE = "__local_refs"  # MONAI evaluates a reference as __local_refs['id']
MAX_LENGTH = 4000
# Nodes of the expressions that are judged; others, such as := and await, are not.
GRAMMAR = (
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


def evaluated_text(text: str) -> str:
    """Text that MONAI evaluates for an expression without its ``$``: references are replaced even inside strings."""
    text = text.replace("#", "::")
    for one in sorted(set(REFERENCE.findall(text)), key=len, reverse=True):
        text = text.replace(one, f"{_PLACE}['{one[1:]}']")
    return text


def parse_expression(text: str) -> ast.Expression | ast.Import | ast.ImportFrom:
    """Syntax tree of the text that MONAI evaluates.

    Raises:
        ValueError: if the text is too long, or is not a Python expression or import.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    plain = evaluated_text(text).strip()
    try:
        body = ast.parse(plain).body
        if len(body) == 1 and isinstance(body[0], (ast.Import, ast.ImportFrom)):
            return body[0]
        return ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"is not an expression ({error})") from error


def imported_name(text: str) -> dict[str, str]:
    """Name that an import binds in expressions -> its full name; empty if the text is not an import."""
    try:
        tree = parse_expression(text)
    except ValueError:
        return {}
    if isinstance(tree, ast.Expression):
        return {}
    alias = tree.names[0]  # MONAI ignores the others
    full = alias.name if isinstance(tree, ast.Import) else f"{tree.module}.{alias.name}"
    return {alias.asname or alias.name: full}


def reference_ids(text: str) -> list[str]:
    """Ids to which a text refers."""
    return [one[1:].strip(":") for one in REFERENCE.findall(text.replace("#", "::"))]


def absolute(text: str, key: str) -> str:
    """Text with absolute ids for relative ones such as ``@#a`` and ``@##a``, as MONAI replaces them.

    Args:
        text: value of a config.
        key: its key.

    Raises:
        ValueError: if a relative id leads out of the config.
    """
    text, parts = text.replace("#", "::"), key.replace("#", "::").split("::")
    for prefix in sorted(set(re.findall("[@%](?:::)+", text)), reverse=True):
        up = prefix.count("::")
        if up > len(parts):
            raise ValueError("a relative reference that leads out of the config")
        above = "::".join(parts[:-up])
        text = text.replace(prefix, prefix[0] + (f"{above}::" if above else ""))
    return text


def is_reference(node: ast.AST) -> bool:
    """Return True if a node is a reference, as MONAI evaluates it."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == _PLACE
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    )


def dotted(node: ast.expr) -> str:
    """Dotted name ``a.b.c`` of a node as text; empty if the node is something else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
