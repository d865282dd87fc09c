"""The page that names a test for each line that nobody outside may cross."""

import re

import pytest

PAGE = "docs/security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)`((?:[,:]?\s+`test_\w+`)+)")


@pytest.fixture
def page(texts: dict[str, str]) -> str:
    return texts[PAGE]


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_test_it_names_is_there(page: str, texts: dict[str, str]) -> None:
    named = NAMED.findall(page)
    assert len(named) > 20
    for path, tests in named:
        assert path in texts, f"{path} is not there"
        for test in re.findall(r"test_\w+", tests):
            assert f"def {test}(" in texts[path], f"{path} has no {test}"


def test_no_test_is_named_without_its_file(page: str) -> None:
    rest = NAMED.sub("", page)
    assert re.findall(r"`test_\w+`|`tests/[\w/]+\.py`", rest) == []


def test_every_boundary_has_a_test(page: str) -> None:
    rows = re.findall(r"^\| (?!boundary|---)([^|]+) \| ([^|]+) \|$", section(page, "Boundaries"), re.MULTILINE)
    assert len(rows) > 10
    assert [boundary for boundary, held_by in rows if not NAMED.search(held_by)] == []


def test_the_contents_at_its_head_are_its_sections(page: str) -> None:
    head = page.split("\n## ", 1)[0]
    assert re.findall(r"\[([^\]]+)\]\(#", head) == re.findall(r"^## (.+)$", page, re.MULTILINE)
