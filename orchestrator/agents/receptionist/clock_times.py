"""Reads times of day as people say them."""

from dataclasses import dataclass
from datetime import time

from orchestrator.agents.receptionist.words import number_at, word_at

MOST_OFFERS = 3
FIRST_MORNING_HOUR = 8  # an earlier hour means the afternoon
_LEADS = frozenset(
    ("at", "around", "about", "by", "after", "before", "until", "till", "than", "from", "past", "make", "between")
)
_MINUTES = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55)


@dataclass(frozen=True)
class ClockTime:
    """A time that was named. `end` is the index of the word after it."""

    at: time
    end: int


def clock_time_at(words: list[str], at: int, *, is_bare: bool = False) -> ClockTime | None:
    """Return the time whose name begins at word `at`, or None. With `is_bare` a number alone may be an hour."""
    word, second = word_at(words, at), word_at(words, at + 1)
    if word in ("noon", "midday"):
        return ClockTime(time(12), at + 1)
    if word in ("half", "quarter") and second in ("past", "to", "after"):
        return _beside_hour(words, at + 2, 30 if word == "half" else 15, is_before=second == "to")
    if word == "half" and (hour := number_at(words, at + 1)) is not None and 1 <= hour.value <= 12:
        return _beside_hour(words, at + 1, 30, is_before=False)
    number = number_at(words, at)
    if number is None or number.is_ordinal:
        return None
    if number.value in _MINUTES[1:] and word_at(words, number.end) in ("past", "to"):
        return _beside_hour(words, number.end + 1, number.value, is_before=word_at(words, number.end) == "to")
    return _from_hour(words, at, number.value, number.end, is_bare)


def _from_hour(words: list[str], at: int, hour: int, end: int, is_bare: bool) -> ClockTime | None:
    if not 0 < hour < 24:
        return None
    minutes, after = _minutes(words, end)
    half, stop = _half_day(words, after)
    is_certain = half != "" or after > end or word_at(words, end) == "oclock"
    is_led = word_at(words, at - 1) in _LEADS or (word_at(words, at - 2), word_at(words, at - 1)) == ("make", "it")
    is_span_end = word_at(words, at - 1) in ("and", "to") and word_at(words, at - 3) in ("between", "from")
    is_led = is_led or (is_span_end and bool(number_at(words, at - 2)))
    is_hour = is_bare and hour > MOST_OFFERS  # a smaller number is one of the offers: "the one on Thursday"
    if not (is_certain or is_led or is_hour) or _counts_something(word_at(words, end)):
        return None
    return ClockTime(_time(hour, minutes, half), max(stop, after + (word_at(words, after) == "oclock")))


def _counts_something(word: str) -> bool:
    return word in ("/", "days", "day", "weeks", "week", "people", "of", "minutes", "hours", "hour", "times", "%")


def _minutes(words: list[str], at: int) -> tuple[int, int]:
    start = at + (word_at(words, at) in (":", "."))
    number = number_at(words, start)
    if number is None or number.is_ordinal or number.value not in _MINUTES:
        return 0, at
    is_written = start > at and len(words[start]) == 2
    is_said = start == at and number.value >= 10
    return (number.value, number.end) if is_written or is_said else (0, at)


def _half_day(words: list[str], at: int) -> tuple[str, int]:
    at += word_at(words, at) == "oclock"
    if word_at(words, at) in ("am", "pm"):
        return word_at(words, at)[0], at + 1
    if words[at : at + 2] == ["in", "the"] and word_at(words, at + 2) in ("morning", "afternoon", "evening"):
        return "a" if words[at + 2] == "morning" else "p", at + 3
    return "", at


def _beside_hour(words: list[str], at: int, minutes: int, *, is_before: bool) -> ClockTime | None:
    number = number_at(words, at)
    if number is None or not 0 < number.value < 24:
        return None
    half, end = _half_day(words, number.end)
    hour = number.value
    if is_before:
        hour, minutes = hour - 1 or 12, 60 - minutes
    return ClockTime(_time(hour, minutes, half), end)


def _time(hour: int, minutes: int, half: str) -> time:
    if hour > 12:
        return time(hour, minutes)
    if half == "a":
        return time(hour % 12, minutes)
    return time(hour % 12 + 12 if half == "p" or hour < FIRST_MORNING_HOUR or hour == 12 else hour, minutes)
