"""When a caller would like to come."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal

HalfDay = Literal["morning", "afternoon"]


@dataclass(frozen=True)
class Wish:
    """When the caller would like to come. What they did not say is None, or empty.

    They would come on `day` or one of `days`, not before `first` nor after `last`, and on none of `avoided_days`; at
    `at`, or in that `half_day`, not before `earliest` nor after `latest`.
    """

    day: date | None = None
    at: time | None = None
    half_day: HalfDay | None = None
    days: frozenset[date] = frozenset()
    avoided_days: frozenset[date] = frozenset()
    avoided_times: frozenset[time] = frozenset()
    avoided_half_day: HalfDay | None = None
    first: date | None = None
    last: date | None = None
    earliest: time | None = None
    latest: time | None = None

    def __bool__(self) -> bool:
        return self != Wish()

    @property
    def is_positive(self) -> bool:
        """True if it says when they would come, and not only when they would not."""
        return bool(self.day or self.at or self.half_day or self.days)

    @property
    def names_day(self) -> bool:
        """True if it says on which days."""
        return bool(self.day or self.days or self.first or self.last)

    def fits(self, slot: datetime) -> bool:
        """True if the appointment `slot` fits."""
        return self._fits_day(slot.date()) and self._fits_time(slot.time())

    def _fits_day(self, day: date) -> bool:
        wanted = self.days | ({self.day} if self.day else set())
        is_within = (self.first or day) <= day <= (self.last or day)
        return is_within and (not wanted or day in wanted) and day not in self.avoided_days

    def _fits_time(self, at: time) -> bool:
        half_day = "morning" if at.hour < 12 else "afternoon"
        is_within = (self.earliest or at) <= at <= (self.latest or at)
        return (
            is_within
            and self.at in (None, at)
            and at not in self.avoided_times
            and self.half_day in (None, half_day)
            and self.avoided_half_day != half_day
        )
