"""The page that promises a test for each fault."""

import re

import pytest


@pytest.fixture
def page(texts: dict[str, str]) -> str:
    return texts["docs/reliability.md"]


def promises(text: str) -> set[str]:
    """The first column of the table under the heading "Promises"."""
    section = text.split("## Promises", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return {row for row in rows if row not in ("fault", "---")}


def test_every_promise_of_the_design_has_its_row(page: str, texts: dict[str, str]) -> None:
    assert promises(page) >= promises(texts["docs/design.md"])


def test_every_test_it_names_is_there(page: str, texts: dict[str, str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`((?:[,:]? `test_\w+`)+)", page)
    assert len(named) > 10
    for path, tests in named:
        for test in re.findall(r"test_\w+", tests):
            assert f"def {test}(" in texts[path], f"{path} has no {test}"
