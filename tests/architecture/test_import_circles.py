"""No import circle: every module, and every package, can be read and tested after those below it.

Imports in functions and under TYPE_CHECKING count: they hide a circle from the interpreter, not from the reader.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from support.source_trees import PACKAGES, REPOSITORY, imports_of

Graph = Mapping[str, set[str]]


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path, module: str) -> Iterator[str]:
    """Dotted names of everything that the module imports, wherever in it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return (name for _, name in imports_of(path, package))


@cache
def module_graph(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, set[str]]:
    """Return for each module those of ours that it imports."""
    paths = {dotted(path.relative_to(root)): path for name in packages for path in (root / name).rglob("*.py")}
    return {
        module: {
            target
            for name in imported(path, module)
            for target in ([name] if name in paths else [name.rpartition(".")[0]])
            if target in paths and target != module
        }
        for module, path in paths.items()
    }


def package_graph(modules: Graph) -> dict[str, set[str]]:
    """Return for each package of a package, with all below it, those that it imports: `web.twilio` → `web.api`."""
    graph: dict[str, set[str]] = {}
    for module, targets in modules.items():
        graph.setdefault(package_of(module), set()).update(map(package_of, targets))
    packages = {package_of(module) for module in modules if module.count(".") > 1}
    return {name: (graph[name] & packages) - {name} for name in packages}


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of nodes that reach each other."""
    reached = {node: reach(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reached[node] if node in reached[other])) for node in graph}
    return sorted(list(group) for group in groups if len(group) > 1)


def reach(graph: Graph, start: str) -> set[str]:
    found = {start}
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_no_modules_import_each_other() -> None:
    assert circles(module_graph(REPOSITORY)) == [], "neither can be understood, moved or replaced without the other"


def test_no_packages_import_each_other() -> None:
    graph = package_graph(module_graph(REPOSITORY))
    assert circles(graph) == [], "what is below must not know what is built on it"


def test_every_kind_of_import_counts(tmp_path: Path) -> None:
    package = tmp_path / "web"
    for name, text in {
        "__init__.py": "",
        "a.py": "from web import b",
        "b.py": "def late():\n    from .deep.c import thing\n",
        "deep/__init__.py": "",
        "deep/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import web.a\n",
        "deep/d.py": "from web.deep import c\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    graph = module_graph(tmp_path, ("web",))
    assert circles(graph) == [["web.a", "web.b", "web.deep.c"]]
    assert graph["web.deep.d"] == {"web.deep.c"}
    assert package_graph(graph) == {"web.deep": set()}


def test_packages_in_a_circle_are_found() -> None:
    modules = {
        "web.x.a": {"web.y.a"},
        "web.y.a": set(),
        "web.y.b": {"web.z.a"},
        "web.z.a": {"web.x.b"},
        "web.x.b": set(),
    }
    assert circles(package_graph(modules)) == [["web.x", "web.y", "web.z"]]
