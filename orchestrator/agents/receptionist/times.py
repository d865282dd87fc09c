"""Days and times as people say them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAYS = tuple(re.compile(rf"\b{weekday}s?\b") for weekday in WEEKDAYS)
_HOUR_WORDS = "one two three four five six seven eight nine ten eleven twelve"
NUMBER_WORDS = {word: number for number, word in enumerate(_HOUR_WORDS.split(), 1)}
_HOUR = r"(?P<hour>1[0-2]|0?[1-9]|1[3-7]|" + "|".join(NUMBER_WORDS) + ")"
_HALF_DAY = r"(?:\s?(?P<half>[ap])\.?\s?m\b\.?)?"
_CLOCK_TIMES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?P<past>half|quarter) (?P<side>past|to) {_HOUR}\b{_HALF_DAY}",
        rf"\b{_HOUR}(?::| |\.)(?P<minutes>00|15|30|45|fifteen|thirty|forty five)\b{_HALF_DAY}",
        rf"\b{_HOUR} o'?clock{_HALF_DAY}",
        rf"\b{_HOUR}\s?(?P<half>[ap])\.?\s?m\b",
        rf"\b(?:at|around|about|make it) {_HOUR}\b",
    )
)
_MINUTES = {"fifteen": 15, "thirty": 30, "forty five": 45}
FIRST_MORNING_HOUR = 8  # an hour before it is meant in the afternoon


@dataclass(frozen=True)
class Wish:
    """When the caller would like to come; what they did not say is None."""

    day: date | None = None
    at: time | None = None
    part: Literal["morning", "afternoon"] | None = None

    def __bool__(self) -> bool:
        return bool(self.day or self.at or self.part)

    def fits(self, slot: datetime) -> bool:
        """Whether `slot` is what the caller wants."""
        return (
            self.day in (None, slot.date())
            and self.at in (None, slot.time())
            and self.part in (None, "morning" if slot.hour < 12 else "afternoon")
        )


def wish_in(text: str, today: date) -> Wish:
    """The day and time that `text` names."""
    text = text.lower().replace("’", "'")
    part: Literal["morning", "afternoon"] | None = None
    if re.search(r"\bafternoon\b|\bafter lunch\b", text):
        part = "afternoon"
    elif re.search(r"\bmorning\b", text):
        part = "morning"
    return Wish(_day_in(text, today), _time_in(text), part)


def _day_in(text: str, today: date) -> date | None:
    if "day after tomorrow" in text:
        return today + timedelta(days=2)
    if re.search(r"\btomorrow\b", text):
        return today + timedelta(days=1)
    if re.search(r"\btoday\b", text):
        return today
    for number in range(len(WEEKDAYS)):
        if _WEEKDAYS[number].search(text):
            return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)
    return _date_in(text, today)


def _date_in(text: str, today: date) -> date | None:
    """The next day that is "the 24th"."""
    said = re.search(r"\b(\d{1,2})(?:st|nd|rd|th)\b", text)
    days = (today + timedelta(days=ahead) for ahead in range(1, 32))
    return next((day for day in days if day.day == int(said[1])), None) if said else None


def _time_in(text: str) -> time | None:
    if re.search(r"\b(noon|midday)\b", text):
        return time(12)
    found = next((match for pattern in _CLOCK_TIMES if (match := pattern.search(text))), None)
    return None if found is None else _clock_time(found.groupdict())


def _clock_time(said: dict[str, str | None]) -> time:
    hour_word, minutes_word = said["hour"] or "", said.get("minutes") or "00"
    hour = NUMBER_WORDS.get(hour_word) or int(hour_word)
    minutes = _MINUTES.get(minutes_word) or int(minutes_word)
    if past := said.get("past"):
        minutes = 30 if past == "half" else 15
        if said["side"] == "to":
            hour, minutes = hour - 1 or 12, 60 - minutes
    is_afternoon = said.get("half") == "p" or (not said.get("half") and hour < FIRST_MORNING_HOUR)
    return time(hour % 12 + 12 if is_afternoon or hour == 12 else hour, minutes)


Clock = Callable[[], datetime]


def office_clock() -> datetime:
    """The local time of this machine, without a zone."""
    return datetime.now()
