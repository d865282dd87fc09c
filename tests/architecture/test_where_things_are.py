"""Pages that say where something is are right about it."""

import re
from pathlib import Path

import pytest

PAGES = ("README.md", "CONTRIBUTING.md", "docs/design.md", "docs/reliability.md", "tests/README.md")
PATH = re.compile(r"`((?:orchestrator|web|workers|tests|docs|benchmarks|tools|deploy)/[\w./-]*)`")
PLACED = re.compile(r"`((?:orchestrator|web|workers)/[\w/]+\.py)`((?:,? `[A-Za-z_]\w*(?:\.\w+)*`)+)")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_is_there(page: str, texts: dict[str, str], repository: Path) -> None:
    named = PATH.findall(texts[page])
    assert [path for path in named if not (repository / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_name_placed_in_a_module_is_in_it(page: str, texts: dict[str, str]) -> None:
    """A module followed by names: `orchestrator/retrying.py` `LONGEST_PAUSE_SECONDS`."""
    wrong = [
        f"{path}: {name}"
        for path, names in PLACED.findall(texts[page])
        for name in re.findall(r"[A-Za-z_][\w.]*", names)
        if not all(re.search(rf"\b{part}\b", texts.get(path, "")) for part in name.split("."))
    ]
    assert wrong == []
