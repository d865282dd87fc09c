"""Reads days as people say them."""

from dataclasses import dataclass
from datetime import date, timedelta

from orchestrator.agents.receptionist.words import number_at, word_at

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = {name[:size]: n for n, name in enumerate(_MONTH_NAMES.split(), 1) for size in (3, len(name))} | {"sept": 9}
_ONE = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10}
LONGEST_AHEAD = 400
"""In days. A day without a year is meant in the next twelve months."""


@dataclass(frozen=True)
class Days:
    """The days from `first` to `last`, which were named. `end` is the index of the word after them."""

    first: date
    last: date
    end: int


@dataclass(frozen=True)
class DayReader:
    """Reads days. "The day after" is the day after `reference`, by default today."""

    today: date
    reference: date | None = None

    def days_at(self, words: list[str], at: int) -> Days | None:
        """Return the days whose name begins at word `at`, or None."""
        for read in (self._relative, self._weekday, self._dated, self._numeric):
            if (days := read(words, at)) is not None:
                return days
        return None

    def _simple(self, words: list[str], at: int) -> Days | None:
        """Return a day that is not named relative to another one."""
        if word_at(words, at) in ("today", "tomorrow"):
            return self._ahead(int(words[at] == "tomorrow"), at + 1)
        return self._weekday(words, at) or self._dated(words, at) or self._numeric(words, at)

    def _one(self, day: date, end: int) -> Days:
        return Days(day, day, end)

    def _ahead(self, days: int, end: int) -> Days:
        return self._one(self.today + timedelta(days=days), end)

    def _relative(self, words: list[str], at: int) -> Days | None:
        at_hand = [word_at(words, at + n).removesuffix("'s") for n in range(5)]
        match at_hand:
            case ["today" | "tonight", *_]:
                return self._ahead(0, at + 1)
            case ["this", "morning" | "afternoon" | "evening", *_]:
                return self._ahead(0, at + 1)
            case ["tomorrow", *_]:
                return self._ahead(1, at + 1)
            case ["day", "after" | "before" as side, *_]:
                return self._beside(words, at + 2, 1 if side == "after" else -1)
            case ["following" | "next", "day", *_]:
                return self._beside(words, at + 2, 1)
            case ["fortnight", *_]:
                return self._ahead(14, at + 1)
            case ["week", *_] if word_at(words, at - 1) in ("a", "one"):
                return self._week_on(words, at)
            case ["week", "from", *_] | ["week", "after", "next", *_]:
                return self._week_from(words, at)
            case ["in", count, "day" | "days" | "week" | "weeks" as unit, *_] if count in _ONE or count.isdecimal():
                number = min(_ONE.get(count) or int(count[:3]), 60)
                return self._ahead(number * (7 if unit.startswith("week") else 1), at + 3)
            case ["next" | "following", "week", *_]:
                return self._next_week(words, at + 2, 1)
            case ["weekend" | "weekends", *_]:
                saturday = self._monday(0) + timedelta(days=5)
                return Days(max(saturday, self.today), saturday + timedelta(days=1), at + 1)
            case ["this", "week", *_]:
                return Days(self.today, self._monday(1) - timedelta(days=1), at + 2)
        return None

    def _monday(self, weeks: int) -> date:
        return self.today + timedelta(days=7 * weeks - self.today.weekday())

    def _next_week(self, words: list[str], at: int, weeks: int) -> Days:
        at += word_at(words, at) in ("on", ",")
        if (weekday := _weekday(word_at(words, at))) is not None:
            return self._one(self._monday(weeks) + timedelta(days=weekday), at + 1)
        return Days(self._monday(weeks), self._monday(weeks) + timedelta(days=6), at)

    def _beside(self, words: list[str], at: int, step: int) -> Days:
        """ "The day after tomorrow", "the day before Friday", "the day after"."""
        base = self._simple(words, at) or self._simple(words, at + 1)
        if base is not None and base.first == base.last and word_at(words, at) not in (",", "and", "or"):
            return self._one(base.first + timedelta(days=step), base.end)
        end = at + (word_at(words, at) in ("that", "it"))
        return self._one((self.reference or self.today) + timedelta(days=step), end)

    def _week_from(self, words: list[str], at: int) -> Days | None:
        if word_at(words, at + 1) not in ("from", "after"):
            return None
        if word_at(words, at + 1) == "after":
            return self._next_week(words, at + 3, 2)
        if word_at(words, at + 2) == "now":
            return self._ahead(7, at + 3)
        base = self._simple(words, at + 2)
        return None if base is None else self._one(base.first + timedelta(days=7), base.end)

    def _week_on(self, words: list[str], at: int) -> Days | None:
        """ "A week on Tuesday", "a week tomorrow"."""
        base = self._simple(words, at + 1 + (word_at(words, at + 1) == "on"))
        return self._week_from(words, at) if base is None else self._one(base.first + timedelta(days=7), base.end)

    def _weekday(self, words: list[str], at: int) -> Days | None:
        modifier = word_at(words, at) if word_at(words, at) in ("next", "this", "coming") else ""
        at += bool(modifier)
        weekday = _weekday(word_at(words, at))
        if weekday is None:
            return None
        at += 1
        start = at + (word_at(words, at) == ",")
        if (dated := self._dated(words, start, weekday)) is not None:
            return dated
        if word_at(words, at) in ("next", "following") and word_at(words, at + 1) == "week":
            return self._one(self._monday(1) + timedelta(days=weekday), at + 2)
        nearest = self.today + timedelta(days=(weekday - self.today.weekday() - 1) % 7 + 1)
        if word_at(words, at) == "week" or (word_at(words, at) == "after" and word_at(words, at + 1) == "next"):
            return self._one(nearest + timedelta(days=7), at + 1 + (word_at(words, at) == "after"))
        if modifier == "next":
            return self._one(self._monday(1) + timedelta(days=weekday), at)
        return self._one(nearest, at)

    def _dated(self, words: list[str], at: int, weekday: int | None = None) -> Days | None:
        """ "December first", "the third of December", "the 24th", and after a weekday "the eighth"."""
        if (month := _month(words, at)) is not None:
            start = at + 1 + (word_at(words, at + 1) in (".", "the"))
            number = number_at(words, start)
            if number is None or not 1 <= number.value <= 31:
                return None
            return self._next(number.value, month, weekday, number.end)
        has_on = word_at(words, at) == "on"
        start = at + has_on
        start += word_at(words, start) == "the"
        number = number_at(words, start)
        if number is None or not 1 <= number.value <= 31:
            return None
        following = number.end + (word_at(words, number.end) == "of")
        if (month := _month(words, following)) is not None:
            return self._next(number.value, month, weekday, following + 1)
        is_of_month = words[number.end : number.end + 3] == ["of", "the", "month"]
        is_date = number.is_ordinal and (weekday is not None or has_on or number.value > 3 or is_of_month)
        if not is_date or word_at(words, number.end) in ("one", "option"):
            return None
        return self._next(number.value, None, weekday, number.end + 3 * is_of_month)

    def _numeric(self, words: list[str], at: int) -> Days | None:
        """ "12/3", "2026-12-03"."""
        parts = words[at : at + 5]
        if len(parts) == 5 and parts[1] == parts[3] == "-" and len(parts[0]) == 4 and "".join(parts[::2]).isdecimal():
            return self._next(int(parts[4][:2]), int(parts[2][:2]), None, at + 5)
        if len(parts) >= 3 and parts[1] == "." and parts[2].isdecimal() and self._is_day_and_month(parts):
            return self._next(int(parts[0]), int(parts[2]), None, at + 3)
        if len(parts) >= 3 and parts[1] == "/" and (parts[0] + parts[2]).isdecimal():
            first, second = int(parts[0][:2]), int(parts[2][:2])
            month, day = (first, second) if first <= 12 else (second, first)
            return self._next(day, month, None, at + 3)
        return None

    @staticmethod
    def _is_day_and_month(parts: list[str]) -> bool:
        """True if "27.11" is a date, because there is no such hour."""
        return parts[0].isdecimal() and 23 < int(parts[0][:3]) < 32 and 0 < int(parts[2][:3]) <= 12

    def _next(self, number: int, month: int | None, weekday: int | None, end: int) -> Days | None:
        """Return the next such day, or the one on the named weekday if that is soon."""
        ahead = (self.today + timedelta(days=days) for days in range(LONGEST_AHEAD))
        fitting = [day for day in ahead if day.day == number and month in (None, day.month)]
        if not fitting:
            return None
        near = [day for day in fitting[:3] if weekday in (None, day.weekday())]
        return self._one((near or fitting)[0], end)


def _weekday(word: str) -> int | None:
    word = word.removesuffix("'s").removesuffix("s")
    return WEEKDAYS.index(word) if word in WEEKDAYS else None


def _month(words: list[str], at: int) -> int | None:
    """Return a month's number. "May" and "march" are other words too, so callers look for a number next to them."""
    return _MONTHS.get(word_at(words, at))
