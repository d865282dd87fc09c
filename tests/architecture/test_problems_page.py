"""The page that describes each type of problem."""

import re

from web.problem_types import PROBLEM_TYPES


def test_the_page_describes_each_type(texts: dict[str, str]) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", texts["docs/problems.md"], re.MULTILINE)
    assert {name: int(status) for name, status in rows} == {kind.name: kind.status for kind in PROBLEM_TYPES.values()}
    assert len(rows) == len(PROBLEM_TYPES)
