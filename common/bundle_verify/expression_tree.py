"""What MONAI makes of the text of a config expression, as a tree that nobody runs."""

from __future__ import annotations

import ast
import re

# As monai.bundle's ReferenceResolver finds them, once it has made every # a ::.
REFERENCE = re.compile(r"@(?:\w*)(?:::\w*)*")
_PLACE = "__local_refs"  # a reference is __local_refs['id'] in what MONAI evaluates
MAX_LENGTH = 4000


def evaluated_text(text: str) -> str:
    """An expression without its ``$``, as MONAI evaluates it: text put in for text, whatever stands around it."""
    text = text.replace("#", "::")
    for one in sorted(set(REFERENCE.findall(text)), key=len, reverse=True):
        text = text.replace(one, f"{_PLACE}['{one[1:]}']")
    return text


def parse_expression(text: str) -> ast.Expression | ast.Import | ast.ImportFrom:
    """The tree of what MONAI evaluates.

    Raises:
        ValueError: if it is no Python expression or import.
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


def refers_to_import(text: str) -> bool:
    """Whether a text has a reference to what an import gives, which is a whole module."""
    return any("imports" in one[1:].split("::") for one in REFERENCE.findall(text.replace("#", "::")))


def is_reference(node: ast.AST) -> bool:
    """Whether a node is what MONAI puts in for a reference."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == _PLACE
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    )


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as text, empty if it is something else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
