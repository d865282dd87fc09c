"""When a number's agent answers: `Mo-Fr 08:00-18:00`, several parts separated by semicolons."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
EXAMPLE = "Mo-Fr 08:00-18:00; Sa 09:00-12:00,13:00-15:00"
LONGEST = 500
MINUTES_A_DAY = 24 * 60
_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The minutes of a week that are open: for each span its day (0 is Monday), its first minute and its end.

    A span that ends before it begins goes on until the next day. `text` is how people wrote it.
    """

    spans: tuple[tuple[int, int, int], ...]
    text: str = field(default="", compare=False)

    def is_open(self, local: datetime) -> bool:
        """Return whether it is open at this local time."""
        now, yesterday = local.hour * 60 + local.minute, (local - timedelta(days=1)).weekday()
        for day, begin, end in self.spans:
            if day == local.weekday() and begin <= now and (now < end or end <= begin):
                return True
            if end <= begin and day == yesterday and now < end:
                return True
        return False


def opening_hours(text: str) -> OpeningHours:
    """Return the hours that `text` says. Raise ValueError."""
    spans: list[tuple[int, int, int]] = []
    for part in text[:LONGEST].split(";"):
        if part.strip():
            spans += _spans(part.split())
    if not spans or len(text) > LONGEST:
        raise ValueError(f"must be days and times such as {EXAMPLE}")
    return OpeningHours(tuple(spans), " ".join(text.split()))


def _spans(words: list[str]) -> list[tuple[int, int, int]]:
    if len(words) < 2:
        raise ValueError(f"must be days and times such as {EXAMPLE}")
    days = [day for part in "".join(words[:1]).split(",") for day in _days(part)]
    times = [_times(part) for part in "".join(words[1:]).split(",")]
    return [(day, begin, end) for day in days for begin, end in times]


def _days(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    begin, end = _day(first), _day(last if dash else first)
    return [(begin + i) % 7 for i in range((end - begin) % 7 + 1)]


def _day(text: str) -> int:
    for index, day in enumerate(DAYS):
        if text.lower() == day.lower():
            return index
    raise ValueError(f"names no day {text[:20]!r}: use {', '.join(DAYS)}, with times as in {EXAMPLE}")


def _times(text: str) -> tuple[int, int]:
    begin, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"has no times {text[:20]!r}: use 08:00-18:00, as in {EXAMPLE}")
    found = _minute(begin), _minute(end)
    if found[0] == found[1]:
        raise ValueError(f"has a span that ends when it begins: {text[:20]!r}")
    if found[0] == MINUTES_A_DAY:
        raise ValueError("has a span that begins at 24:00: say 00:00 of the next day")
    return found


def _minute(text: str) -> int:
    found = _TIME.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found else MINUTES_A_DAY + 1
    if minute > MINUTES_A_DAY:
        raise ValueError(f"has no time {text[:20]!r}: use 00:00 to 24:00, as in {EXAMPLE}")
    return minute
