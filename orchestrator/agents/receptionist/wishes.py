"""Reads when callers would like to come, and when they cannot."""

from collections.abc import Sequence
from datetime import date, time, timedelta

from orchestrator.agents.appointments.wish import HalfDay, Wish
from orchestrator.agents.receptionist.clock_times import ClockTime
from orchestrator.agents.receptionist.dates import DayReader, Days
from orchestrator.agents.receptionist.mentions import Mention, MentionReader
from orchestrator.agents.receptionist.words import words_of

FROM, UNTIL = ("after", "from"), ("before", "until")
MOST_WORDS_OF_A_BARE_HOUR = 6


def wish_in(text: str, today: date, reference: date | None = None, *, is_expected: bool = False) -> Wish:
    """Return what `text` says of when the caller would come.

    "The day after" is the day after `reference`. With `is_expected` a number alone may be an hour.
    """
    return wish_of(mentions_in(text, today, reference, is_expected=is_expected))


def mentions_in(text: str, today: date, reference: date | None = None, *, is_expected: bool = False) -> list[Mention]:
    """Return the days, times and offers that `text` names, each as wanted or refused."""
    words = words_of(text)
    is_bare = is_expected and len(words) <= MOST_WORDS_OF_A_BARE_HOUR
    return MentionReader(words, DayReader(today, reference), is_bare).read()


def wish_of(mentions: Sequence[Mention]) -> Wish:
    """Return the wish that `mentions` make up. Of two times the last one counts."""
    days = [(m, m.named) for m in mentions if isinstance(m.named, Days)]
    wanted = [named for m, named in days if not m.is_refused and not m.bound]
    single = [named.first for named in wanted if named.first == named.last]
    spans = [named for named in wanted if named.first != named.last]
    clock = [(m, m.named.at) for m in mentions if isinstance(m.named, ClockTime)]
    half_days: list[tuple[Mention, HalfDay]] = [(m, m.named) for m in mentions if m.named in ("morning", "afternoon")]
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
        half_day=next((half_day for m, half_day in reversed(half_days) if not m.is_refused), None),
        avoided_days=frozenset(day for m, named in days if m.is_refused for day in _each(named)) - set(single),
        avoided_times=frozenset(at for m, at in clock if m.is_refused),
        avoided_half_day=next((half_day for m, half_day in half_days if m.is_refused), None),
        first=max((*since, *(span.first for span in spans)), default=None),
        last=min((*until, *(span.last for span in spans)), default=None),
        earliest=max((at for m, at in clock if m.bound in FROM and not m.is_refused), default=None),
        latest=min((_until(m, at) for m, at in clock if m.bound in UNTIL and not m.is_refused), default=None),
    )


def _until(mention: Mention, at: time) -> time:
    """Return the last minute that is meant: "before ten" excludes ten."""
    minutes = at.hour * 60 + at.minute - (mention.bound == "before")
    return time(minutes // 60, minutes % 60) if minutes >= 0 else at


def _each(days: Days) -> list[date]:
    return [days.first + timedelta(days=n) for n in range(min((days.last - days.first).days, 31) + 1)]
