"""The source of the product and of its tests, each file parsed once for all tests of a process that read it."""

import ast
import gc
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "workers", "web")
MODULES = sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))


@cache
def text_of(path: Path) -> str:
    """Return what the file says."""
    return path.read_text()


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the file's syntax tree; nobody may change it."""
    was_on = gc.isenabled()
    gc.disable()  # nothing of a tree is garbage, and there is much of it to search
    try:
        return ast.parse(text_of(path), filename=str(path))
    finally:
        if was_on:
            gc.enable()


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of the file's tree, as `ast.walk` gives them."""
    return tuple(ast.walk(tree_of(path)))


@cache
def imports_of(path: Path, package: str) -> tuple[tuple[int, str], ...]:
    """Return line and dotted name of all that the file imports, wherever in it; `package` is the one it lies in."""
    parts = package.split(".")
    found: list[tuple[int, str]] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            found += ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
    return tuple(found)
