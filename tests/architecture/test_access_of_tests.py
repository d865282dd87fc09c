"""Tests reach the product as its users do: by constructors and public names, so that its inside can be changed."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PATCHED = {
    # path of the test: {name: why it cannot be an argument}
}  # fmt: skip
"""Constants that a test may replace."""
UPPER_CASE = re.compile(r"_*[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


@pytest.fixture(scope="module")
def trees(repository: Path) -> dict[str, ast.Module]:
    paths = sorted((repository / "tests").rglob("*.py"))
    return {path.relative_to(repository).as_posix(): ast.parse(path.read_text()) for path in paths}


def replaced_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and names of what is replaced in another object: by an assignment, `setattr`, or `patch` of any kind."""
    for node in ast.walk(tree):
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


def test_times_and_bounds_that_a_test_changes_are_arguments(trees: dict[str, ast.Module]) -> None:
    """A patched constant holds for whatever reads it, wherever, and breaks when its module is split."""
    found = [
        f"{path}:{line} {name}"
        for path, tree in trees.items()
        for line, name in replaced_names(tree)
        if UPPER_CASE.fullmatch(name) and name not in PATCHED.get(path, {})
    ]
    assert found == [], "pass it to a constructor"


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
    assert [name for _, name in replaced_names(ast.parse(line))] == ["QUIET_SECONDS"]
