"""When callers would like to come, and when they cannot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from orchestrator.agents.receptionist.clock_times import ClockTime
from orchestrator.agents.receptionist.dates import WEEKDAYS, DayReader, Days
from orchestrator.agents.receptionist.mentions import Mention, MentionReader, Part
from orchestrator.agents.receptionist.words import words_of

__all__ = ["WEEKDAYS", "Clock", "Wish", "mentions_in", "office_clock", "wish_in", "wish_of"]

FROM, UNTIL = ("after", "from"), ("before", "until")
MOST_WORDS_OF_A_BARE_HOUR = 6


@dataclass(frozen=True)
class Wish:
    """When the caller would like to come; what they did not say is None, or empty.

    `days` are the others that they would come on as well as `day`; they come on none of `avoided_days`. `at` is between
    `earliest` and `latest`, the day between `first` and `last`, where those were said.
    """

    day: date | None = None
    at: time | None = None
    part: Part | None = None
    days: frozenset[date] = frozenset()
    avoided_days: frozenset[date] = frozenset()
    avoided_times: frozenset[time] = frozenset()
    avoided_part: Part | None = None
    first: date | None = None
    last: date | None = None
    earliest: time | None = None
    latest: time | None = None

    def __bool__(self) -> bool:
        return self != Wish()

    @property
    def is_positive(self) -> bool:
        """Whether it says when they would come, and not only when they would not."""
        return bool(self.day or self.at or self.part or self.days)

    @property
    def names_day(self) -> bool:
        """Whether it says on which days."""
        return bool(self.day or self.days or self.first or self.last)

    def fits(self, slot: datetime) -> bool:
        """Whether `slot` is what the caller wants."""
        return self._fits_day(slot.date()) and self._fits_time(slot.time())

    def _fits_day(self, day: date) -> bool:
        wanted = self.days | ({self.day} if self.day else set())
        is_within = (self.first or day) <= day <= (self.last or day)
        return is_within and (not wanted or day in wanted) and day not in self.avoided_days

    def _fits_time(self, at: time) -> bool:
        part = "morning" if at.hour < 12 else "afternoon"
        is_within = (self.earliest or at) <= at <= (self.latest or at)
        return (
            is_within
            and self.at in (None, at)
            and at not in self.avoided_times
            and self.part in (None, part)
            and self.avoided_part != part
        )


def wish_in(text: str, today: date, reference: date | None = None, *, is_expected: bool = False) -> Wish:
    """Return what `text` says of when the caller would come.

    `reference` is the day that "the day after" is said of. `is_expected` lets a number alone be an hour.
    """
    return wish_of(mentions_in(text, today, reference, is_expected=is_expected))


def mentions_in(text: str, today: date, reference: date | None = None, *, is_expected: bool = False) -> list[Mention]:
    """Return the days, times and offers that `text` names, each wanted or refused."""
    words = words_of(text)
    is_bare = is_expected and len(words) <= MOST_WORDS_OF_A_BARE_HOUR
    return MentionReader(words, DayReader(today, reference), is_bare).read()


def wish_of(mentions: Sequence[Mention]) -> Wish:
    """Return the wish that was said with `mentions`. Of two times the later said one counts."""
    days = [(m, m.named) for m in mentions if isinstance(m.named, Days)]
    wanted = [named for m, named in days if not m.is_refused and not m.bound]
    single = [named.first for named in wanted if named.first == named.last]
    spans = [named for named in wanted if named.first != named.last]
    clock = [(m, m.named.at) for m in mentions if isinstance(m.named, ClockTime)]
    parts: list[tuple[Mention, Part]] = [(m, m.named) for m in mentions if m.named in ("morning", "afternoon")]
    bounds = [(m.bound, named) for m, named in days if m.bound and not m.is_refused]
    since = [
        named.last + timedelta(days=1) if bound == "after" else named.first for bound, named in bounds if bound in FROM
    ]
    until = [
        named.first - timedelta(days=1) if bound == "before" else named.last
        for bound, named in bounds
        if bound in UNTIL
    ]
    spans = [] if single else spans
    return Wish(
        day=single[0] if single else None,
        days=frozenset(single[1:]),
        at=next((at for m, at in reversed(clock) if not m.is_refused and not m.bound), None),
        part=next((part for m, part in reversed(parts) if not m.is_refused), None),
        avoided_days=frozenset(day for m, named in days if m.is_refused for day in _each(named)) - set(single),
        avoided_times=frozenset(at for m, at in clock if m.is_refused),
        avoided_part=next((part for m, part in parts if m.is_refused), None),
        first=max((*since, *(span.first for span in spans)), default=None),
        last=min((*until, *(span.last for span in spans)), default=None),
        earliest=max((at for m, at in clock if m.bound in FROM and not m.is_refused), default=None),
        latest=min((_until(m, at) for m, at in clock if m.bound in UNTIL and not m.is_refused), default=None),
    )


def _until(mention: Mention, at: time) -> time:
    """The last minute that is meant: "before ten" leaves ten out."""
    minutes = at.hour * 60 + at.minute - (mention.bound == "before")
    return time(minutes // 60, minutes % 60) if minutes >= 0 else at


def _each(days: Days) -> list[date]:
    return [days.first + timedelta(days=n) for n in range(min((days.last - days.first).days, 31) + 1)]


Clock = Callable[[], datetime]


def office_clock(zone: str | None = None) -> datetime:
    """Return the local time of the office, without a zone: in `zone` (IANA), or where this machine is."""
    return datetime.now(ZoneInfo(zone) if zone else None).replace(tzinfo=None)
