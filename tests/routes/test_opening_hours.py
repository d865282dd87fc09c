"""When it is open."""

from datetime import datetime

import pytest

from orchestrator.routes.opening_hours import opening_hours

MONDAY = 23  # of November 2026


def at(day: int, time: str) -> datetime:
    """The time on a day from Monday, 0."""
    hour, minute = time.split(":")
    return datetime(2026, 11, MONDAY + day, int(hour), int(minute))


@pytest.mark.parametrize(("hours", "open_at", "closed_at"), [
    ("Mo-Fr 08:00-18:00", [(0, "8:00"), (4, "17:59")], [(0, "7:59"), (4, "18:00"), (5, "12:00")]),
    ("mo,we 8:00-12:00,13:00-15:00", [(0, "11:59"), (2, "13:00")], [(0, "12:30"), (1, "9:00")]),
    ("Mo-Fr 08:00-18:00; Sa 09:00-12:00", [(5, "9:00")], [(5, "12:00"), (6, "9:00")]),
    ("Fr-Mo 10:00-11:00", [(4, "10:00"), (6, "10:30"), (0, "10:59")], [(1, "10:30"), (3, "10:30")]),
    ("Sa 22:00-02:00", [(5, "22:00"), (6, "1:59")], [(5, "1:00"), (6, "2:00"), (6, "23:00")]),
    ("Mo-Su 00:00-24:00", [(0, "0:00"), (6, "23:59")], []),
])  # fmt: skip
def test_the_hours_are_those_that_are_written(
    hours: str, open_at: list[tuple[int, str]], closed_at: list[tuple[int, str]]
) -> None:
    parsed = opening_hours(hours)
    assert [parsed.is_open(at(*moment)) for moment in open_at] == [True] * len(open_at)
    assert [parsed.is_open(at(*moment)) for moment in closed_at] == [False] * len(closed_at)


@pytest.mark.parametrize("text", [
    "", ";", "Mo", "08:00-18:00", "Xx 08:00-18:00", "Mo 8-18", "Mo 25:00-26:00", "Mo 08:00-08:00", "Mo 24:00-08:00",
    "Mo-Fr-Sa 08:00-18:00", "Mo 08:60-09:00", "Mo 08:00-18:00" + "; Mo 08:00-18:00" * 100,
])  # fmt: skip
def test_what_is_no_time_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has|names) "):
        opening_hours(text)
