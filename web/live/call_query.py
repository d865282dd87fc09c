"""Which of the live calls a request asks for: the query fields of `GET /calls`, and the cursor of the next page."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import BadCursor
from orchestrator.masking import masked
from web.live.call_row import HEALTHS
from web.problem_types import WRONG_FIELDS
from web.problems import Problem

LONGEST_CURSOR = 1024
LONGEST_VALUE = 256
MOST_DIGITS = 20
_EQUAL = {"agent": "agent", "tenant": "tenant", "version": "worker_version", "health": "health"}
"""Query field → the field of the line that it must be equal to."""

Place = tuple[datetime, str]
"""When a call began, and its SID: calls are sorted by both, the newest first. Nothing moves a call."""


@dataclass(frozen=True)
class CallQuery:
    """Lines whose fields are `equal` to these values, with `digits` in either number, after the place `after`.

    If not `whole_numbers`, digits are looked for in the masked numbers: nobody can guess what they may not see.
    """

    equal: Mapping[str, str]
    digits: str
    after: Place | None
    whole_numbers: bool

    def page(self, rows: Sequence[Mapping[str, Any]], limit: int) -> tuple[list[Mapping[str, Any]], str | None]:
        """Return up to `limit` lines, the newest first, and the cursor of the next page; None after the last."""
        places = [(place, row) for row in rows if self._fits(row) and self._is_after(place := _place_of(row))]
        places.sort(key=lambda found: found[0], reverse=True)
        page = places[:limit]
        return [row for _, row in page], _cursor(page[-1][0]) if len(places) > limit else None

    def _fits(self, row: Mapping[str, Any]) -> bool:
        if any(row[name] != value for name, value in self.equal.items()):
            return False
        numbers = (str(row["from_number"]), str(row["to_number"]))
        return not self.digits or any(
            self.digits in (number if self.whole_numbers else masked(number)) for number in numbers
        )

    def _is_after(self, place: Place) -> bool:
        return self.after is None or place < self.after


def call_query(given: Mapping[str, str], *, whole_numbers: bool) -> CallQuery:
    """Return the query of a URL's fields. Raise `Problem` or `BadCursor` on one that makes no sense."""
    equal = {field: value for name, field in _EQUAL.items() if (value := _text(given, name))}
    if given.get("health", "ok") not in HEALTHS:
        raise Problem(WRONG_FIELDS, f"health: {', '.join(HEALTHS)}.")
    digits = _text(given, "number")
    bare = digits.removeprefix("+")
    if digits and not (bare.isascii() and bare.isdecimal() and len(bare) <= MOST_DIGITS):
        raise Problem(WRONG_FIELDS, f"number: at most {MOST_DIGITS} digits, with a + in front or without.")
    return CallQuery(equal, digits, _place_in(given.get("cursor", "")), whole_numbers)


def _text(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "")
    if len(value) > LONGEST_VALUE or not value.isprintable():
        raise Problem(WRONG_FIELDS, f"{name}: at most {LONGEST_VALUE} printable characters.")
    return value


def _place_of(row: Mapping[str, Any]) -> Place:
    began = datetime.fromisoformat(row["created_at"])
    return began if began.tzinfo else began.replace(tzinfo=UTC), row["call_sid"]


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(json.dumps([place[0].isoformat(), place[1]]).encode()).decode().rstrip("=")


def _place_in(cursor: str) -> Place | None:
    if not cursor:
        return None
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        began, call_sid = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not (isinstance(began, str) and isinstance(call_sid, str)):
            raise ValueError
        at = datetime.fromisoformat(began)
        return at if at.tzinfo else at.replace(tzinfo=UTC), call_sid
    except (ValueError, TypeError, RecursionError):
        raise BadCursor from None
