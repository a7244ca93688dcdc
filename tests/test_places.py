"""Imports point downwards: what a place may use lies below it, as docs/explanation/decisions.md says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMON = ROOT / "common"
# From the ground up; places of one row may use each other, but not in a circle.
ROWS = (
    ("version", "workers"),
    ("utils",),
    ("networks", "schedulers", "losses", "metrics"),
    ("transforms", "data"),
    ("phantom",),
    ("visualize", "runs"),
    ("inferers", "engines"),
    ("handlers",),
    ("evaluation",),
    ("prepare",),
    ("zoo",),
    ("bundle", "export"),
    ("synthesis", "cli", "__main__"),
)
ROW_OF = {place: number for number, row in enumerate(ROWS) for place in row}
Graph = dict[tuple[str, str], list[str]]


def imported(source: str) -> Iterator[str]:
    """Every module that a file imports, at its top or within a function; not what type checkers alone see."""
    nodes = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        nodes += ast.iter_child_nodes(node)


def graph() -> Graph:
    """(place, place that it uses) -> the files that do so."""
    edges: Graph = {}
    for path in sorted((COMMON / "brain_bundles").rglob("*.py")):
        parts = path.relative_to(COMMON / "brain_bundles").parts
        place = parts[0].removesuffix(".py")
        for name in imported(path.read_text(encoding="utf-8")):
            root, *rest = name.split(".")
            if root == "brain_bundles" and rest and rest[0] in ROW_OF and rest[0] != place != "__init__":
                edges.setdefault((place, rest[0]), []).append("/".join(parts))
    return edges


def upward(edges: Graph) -> dict[tuple[str, str], list[str]]:
    return {edge: files for edge, files in edges.items() if ROW_OF[edge[1]] > ROW_OF[edge[0]]}


def circles(edges: Graph) -> list[tuple[str, str]]:
    return sorted(edge for edge in edges if (edge[1], edge[0]) in edges and edge[0] < edge[1])


def test_every_place_has_a_row():
    there = {path.name.removesuffix(".py") for path in (COMMON / "brain_bundles").iterdir()}
    assert there - {"__init__", "__pycache__"} == set(ROW_OF)


def test_imports_point_downwards():
    edges = graph()
    assert ("handlers", "utils") in edges
    assert len(edges) > 30
    assert upward(edges) == {}
    assert circles(edges) == []


MATHEMATICS = ("networks", "schedulers", "losses", "metrics")
FILES = ("pathlib", "nibabel", "json", "tempfile", "shutil", "ignite", "nilearn", "brain_bundles.utils.atomic")


def test_mathematics_touch_no_files_and_no_ignite():
    found = [
        (path.name, name)
        for place in MATHEMATICS
        for path in sorted((COMMON / "brain_bundles" / place).glob("*.py"))
        for name in imported(path.read_text(encoding="utf-8"))
        if any(f"{name}.".startswith(f"{one}.") for one in FILES)
    ]
    assert found == []
    calls = [
        (path.name, node.lineno)
        for place in MATHEMATICS
        for path in (COMMON / "brain_bundles" / place).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "torch.load", "torch.save", "np.load")
    ]
    assert calls == []


def test_every_module_in_handlers_has_a_handler():
    """One class with ``attach``; the rest of a module belongs to it."""
    for path in sorted((COMMON / "brain_bundles" / "handlers").glob("*.py")):
        if path.name == "__init__.py":
            continue
        classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
        methods = {part.name for one in classes for part in one.body if isinstance(part, ast.FunctionDef)}
        bases = {ast.unparse(base) for one in classes for base in one.bases}
        assert "attach" in methods or "VolumeSaver" in bases, path.name


def test_the_verifier_stands_alone():
    used = [
        name for path in (COMMON / "bundle_verify").glob("*.py") for name in imported(path.read_text(encoding="utf-8"))
    ]
    assert len(used) > 50
    assert [name for name in used if name.startswith("brain_")] == []
    places = {
        path.relative_to(COMMON / "brain_bundles").parts[0]
        for path in (COMMON / "brain_bundles").rglob("*.py")
        if any(name.startswith("bundle_verify") for name in imported(path.read_text(encoding="utf-8")))
    }
    assert places <= {"zoo", "cli"}


def test_a_bundle_s_package_uses_no_other_bundle_s():
    for bundle in sorted((ROOT / "bundles").iterdir()):
        for path in (bundle / bundle.name).glob("*.py"):
            others = {
                name.split(".")[0]
                for name in imported(path.read_text(encoding="utf-8"))
                if name.startswith("brain_mri_")
            }
            assert others <= {bundle.name}, path
