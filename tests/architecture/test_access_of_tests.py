"""Tests reach the product as its users do: by constructors and public names, so that its inside can be changed."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.source_trees import nodes_of

PATCHED = {
    # path of the test: {name: why it cannot be an argument}
}  # fmt: skip
"""Constants that a test may replace."""
PRIVATE = {
    "tests/redis/test_multiplexed.py": {
        # Which bytes are written together, and what is unwritten when a connection is lost, cannot be seen by a server.
        "_pipeline", "_transport", "_available_connections", "_writer", "_enqueue", "_unsent", "_write_unsent", "_fail",
    },
    "tests/support/fork_server.py": {"_exit"},  # the public name of what `os` does in a forked process
    "tests/support/pattern_work.py": {"_constants", "_parser"},  # `re` has no public way to its parsed patterns
}  # fmt: skip
"""Names that begin with an underscore and that a test may use, each with the reason."""
OURS = ("orchestrator", "web", "workers", "re")
Nodes = tuple[ast.AST, ...]
UPPER_CASE = re.compile(r"_*[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


@pytest.fixture(scope="module")
def trees(repository: Path) -> dict[str, Nodes]:
    """The nodes of every file."""
    paths = sorted((repository / "tests").rglob("*.py"))
    return {path.relative_to(repository).as_posix(): nodes_of(path) for path in paths}


def nodes_in(line: str) -> Nodes:
    return tuple(ast.walk(ast.parse(line)))


def replaced_names(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """Lines and names of what is replaced in another object: by an assignment, `setattr`, or `patch` of any kind."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr" | "patch" | "object") | ast.Name(id="setattr" | "patch")):
                texts = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
                yield from ((node.lineno, text.rpartition(".")[2]) for text in texts if isinstance(text, str))
            case ast.Assign(targets=targets):
                yield from ((node.lineno, target.attr) for target in targets if _is_of_another(target))
            case ast.AugAssign(target=ast.Attribute() as target) if _is_of_another(target):
                yield node.lineno, target.attr


def _is_of_another(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and not (
        isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")
    )


def test_times_and_bounds_that_a_test_changes_are_arguments(trees: dict[str, Nodes]) -> None:
    """A patched constant holds for whatever reads it, wherever, and breaks when its module is split."""
    found = [
        f"{path}:{line} {name}"
        for path, nodes in trees.items()
        for line, name in replaced_names(nodes)
        if UPPER_CASE.fullmatch(name) and name not in PATCHED.get(path, {})
    ]
    assert found == [], "pass it to a constructor"


def private_names(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """Lines and names of what is used of another object although its name begins with an underscore."""
    for node in nodes:
        match node:
            case ast.Attribute(attr=name) if _is_of_another(node):
                names = [name]
            case ast.ImportFrom(module=str(module), names=aliases) if module.partition(".")[0] in OURS:
                names = [alias.name for alias in aliases]
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr") | ast.Name(id="getattr" | "setattr")):
                names = [each.value for each in node.args[1:2] if isinstance(each, ast.Constant)]
            case _:
                continue
        yield from ((node.lineno, name) for name in names if re.match(r"_(?!_)", str(name)))


def test_what_is_private_stays_private(trees: dict[str, Nodes]) -> None:
    """A test of private names forbids a better inside. What matters can be observed, or be given to a constructor."""
    found = [
        f"{path}:{line} {name}"
        for path, nodes in trees.items()
        for line, name in private_names(nodes)
        if name not in PRIVATE.get(path, ())
    ]
    assert found == [], "observe it from outside"


def test_no_exception_is_out_of_date(trees: dict[str, Nodes]) -> None:
    unused = {path: names - {name for _, name in private_names(trees[path])} for path, names in PRIVATE.items()}
    assert {path: names for path, names in unused.items() if names} == {}
    assert [path for path, names in PATCHED.items() if not names] == []


@pytest.mark.parametrize(
    "line",
    [
        "store._epoch",
        "store.pool._epoch += 1",
        'monkeypatch.setattr(store, "_epoch", 2)',
        'getattr(store, "_epoch")',
        "from orchestrator.turns import _epoch",
    ],
)
def test_every_way_to_a_private_name_is_seen(line: str) -> None:
    assert [name for _, name in private_names(nodes_in(line))] == ["_epoch"]


def test_what_an_object_keeps_for_itself_is_its_own() -> None:
    assert [*private_names(nodes_in("self._epoch = cls._first\nsuper().__init__()"))] == []


@pytest.mark.parametrize(
    "line",
    [
        'monkeypatch.setattr(module, "QUIET_SECONDS", 0)',
        'monkeypatch.setattr("package.module.QUIET_SECONDS", 0)',
        'with patch("package.module.QUIET_SECONDS", 0): pass',
        'mock.patch.object(module, "QUIET_SECONDS", 0)',
        "module.QUIET_SECONDS = 0",
        "module.QUIET_SECONDS *= 2",
    ],
)
def test_every_way_to_replace_a_constant_is_seen(line: str) -> None:
    assert [name for _, name in replaced_names(nodes_in(line))] == ["QUIET_SECONDS"]
