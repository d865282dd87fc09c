"""What the package offers by its own name."""

import ast
from pathlib import Path

import orchestrator


def test_every_public_name_can_be_imported() -> None:
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name).__name__ == name


def test_type_checkers_know_the_same_names(repository: Path) -> None:
    tree = ast.parse((repository / "orchestrator/__init__.py").read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    known = [alias.name for block in blocks for node in block.body for alias in node.names]  # type: ignore[attr-defined]
    assert sorted(known) == sorted(orchestrator.__all__)
