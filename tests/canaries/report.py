"""What a run found, beside what `docs/security.md` says may lie where."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from canaries.canary import Canary
from canaries.observers import METRICS, NOBODY, READ, WHOLE
from canaries.redis_places import DEAD_LETTERS, OUTBOXES, PUBSUB, REPORTS, REST, SCHEDULES, STATES, TURNS

REDIS_FILES, DATABASE = "Redis: its files", "database of records"
EVENTS_WEBHOOK, EVENTS_FILE = "webhook of events", "file of events"
LOGS, TRACES, MODEL, OTHER_FILES = "logs", "traces", "language model", "all other files"
URLS, TEXT_MESSAGES = "URLs in documents", "text messages"

PLACES = (
    STATES, TURNS, OUTBOXES, SCHEDULES, DEAD_LETTERS, REPORTS, REST, PUBSUB, REDIS_FILES, DATABASE, EVENTS_WEBHOOK,
    EVENTS_FILE, LOGS, TRACES, METRICS, WHOLE, READ, NOBODY, MODEL, TEXT_MESSAGES, URLS, OTHER_FILES,
)  # fmt: skip
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
WITHOUT_KEYS, WITH_KEYS, SENSITIVE = "without keys", "with keys", "sensitive"
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_NOTHING = "–"

Cells = Mapping[tuple[str, str], frozenset[str]]
"""(place, column) → the kinds that may lie there."""


def promised(page: str | None = None) -> Cells:
    """What the page says, by place and column."""
    section = (page or PAGE.read_text()).split("\n## What lies where\n", 1)[1].split("\n## ", 1)[0]
    cells: dict[tuple[str, str], frozenset[str]] = {}
    for place, *columns in _ROW.findall(section):
        if place.strip() in PLACES:
            for column, cell in zip((WITHOUT_KEYS, WITH_KEYS, SENSITIVE), columns, strict=True):
                kinds = frozenset() if cell.strip() == _NOTHING else frozenset(cell.strip().split(", "))
                cells[place.strip(), column] = kinds
    return cells


def _kind(canary: Canary) -> str:
    return "words" if canary.is_sensitive else canary.kind


@dataclass(frozen=True)
class Report:
    """Where which canaries were found, and how many bytes were searched there.

    Of those that are `lost`, and never reached the agent, a run says nothing.
    """

    found: Mapping[str, set[Canary]]
    read: Mapping[str, int]
    encrypts: bool
    faults: Mapping[str, int]
    planted: int
    lost: tuple[str, ...]
    exits: tuple[str, ...]
    samples: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def kinds(self, place: str, column: str) -> frozenset[str]:
        """The kinds that were found in a place: of ordinary ones, or of those that were told in private."""
        wanted = [each for each in self.found.get(place, ()) if each.is_sensitive == (column == SENSITIVE)]
        return frozenset(_kind(each) for each in wanted)

    @property
    def _columns(self) -> tuple[str, str]:
        return (WITH_KEYS if self.encrypts else WITHOUT_KEYS, SENSITIVE)

    def leaks(self, may: Cells) -> list[str]:
        """What lies where the page does not say so, each with the canaries."""
        return [
            f"{place}, {column}: {', '.join(sorted(kinds))} ({self._names(place, column)})"
            for place in PLACES
            for column in self._columns
            if (kinds := self.kinds(place, column) - may.get((place, column), frozenset()))
        ]

    def examples(self, may: Cells) -> list[str]:
        """For each leaked canary, what stands around it in the places where it does not belong."""
        return [
            f"{place}: {sample!r}"
            for place in PLACES
            for column in self._columns
            for canary in sorted(self.found.get(place, ()), key=lambda each: each.name)
            if canary.is_sensitive == (column == SENSITIVE)
            and not {_kind(canary)} <= may.get((place, column), frozenset())
            and (sample := self.samples.get((place, canary.name)))
        ]

    def missing(self, may: Cells) -> list[str]:
        """What does not lie where the page says that it may: either the page is wrong, or the run is blind."""
        return [
            f"{place}, {column}: no {', '.join(sorted(kinds))} in {self.read.get(place, 0)} bytes"
            for place in PLACES
            for column in self._columns
            if (kinds := may.get((place, column), frozenset()) - self.kinds(place, column))
        ]

    def table(self) -> str:
        """As rows of the page's table."""
        heading = f"{self.planted} secrets were planted; {sum(self.faults.values())} faults: {dict(self.faults)}"
        return "\n".join([heading, *(self._row(place) for place in PLACES)])

    def _row(self, place: str) -> str:
        cells = [f"{column}: {', '.join(sorted(self.kinds(place, column))) or _NOTHING}" for column in self._columns]
        return f"{place:<26}{self.read.get(place, 0):>12,} bytes   {cells[0]:<30}{cells[1]}"

    def _names(self, place: str, column: str) -> str:
        names = sorted(each.name for each in self.found.get(place, ()) if each.is_sensitive == (column == SENSITIVE))
        more = len(names) - 8
        return "; ".join(names[:8]) + (f"; and {more} more" if more > 0 else "")
