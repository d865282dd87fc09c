"""What is searched in the archive: filters as a stranger writes them, and the cursor of the next page."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.errors import BadCallSid, BadRecordQuery

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
LONGEST_VALUE = 256
"""Characters of a filter."""
LONGEST_CURSOR = 1024
PARAMETERS = ("from", "to", "call_sid", "number", "agent", "tenant", "outcome", "text", "cursor", "limit")


@dataclass(frozen=True, slots=True)
class Place:
    """A place among the records, which are sorted by these two, the newest first. No insert moves it."""

    started_at: datetime
    call_sid: str

    def cursor(self) -> str:
        """Return it as an opaque word of a URL."""
        text = json.dumps([self.started_at.astimezone(UTC).isoformat(), self.call_sid])
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Calls that began in [`since`, `until`) and fit all filters that are set; those after the place `after` only.

    `number` is the caller's or the called one. `outcome` is the status with which the call ended, or `active`.
    `limit` is None for all of them.
    """

    since: datetime | None = None
    until: datetime | None = None
    call_sid: str | None = None
    number: str | None = None
    agent: str | None = None
    tenant: str | None = None
    outcome: str | None = None
    text: str | None = None
    after: Place | None = None
    limit: int | None = None


def record_query(given: Mapping[str, str]) -> RecordQuery:
    """Return the query of a URL's or a command's parameters. Raise `BadRecordQuery`."""
    unknown = [name for name in given if name not in PARAMETERS]
    if unknown:
        raise BadRecordQuery(f"There is no filter {_shown(unknown[0])}. Use {', '.join(PARAMETERS)}.")
    found = {name: _text(name, value) for name, value in given.items() if name != "cursor" and value.strip()}
    return RecordQuery(
        since=_time("from", found.get("from")),
        until=_time("to", found.get("to")),
        call_sid=found.get("call_sid"),
        number=_number(given.get("number", ""), found.get("number")),
        agent=found.get("agent"),
        tenant=found.get("tenant"),
        outcome=found.get("outcome"),
        text=_words(found.get("text")),
        after=_place(given.get("cursor")),
        limit=_limit(found.get("limit")),
    )


def life_in(given: Mapping[str, str]) -> datetime | None:
    """Return the parameter `started_at`, None without it. Raise `BadRecordQuery`."""
    value = given.get("started_at", "").strip()
    return _time("started_at", value) if value else None


def _text(name: str, value: str) -> str:
    if len(value) > LONGEST_VALUE or not value.isprintable():
        raise BadRecordQuery(f"{name} must be at most {LONGEST_VALUE} printable characters.")
    return value.strip()


def _time(name: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    for text in (value, "+".join(value.rsplit(" ", 1))):  # an unescaped plus in a URL arrives as a blank
        try:
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    raise BadRecordQuery(f"{name} must be a time such as 2026-11-26 or 2026-11-26T17:30:00Z.")


def _number(given: str, value: str | None) -> str | None:
    """Return the number. The plus of `number=+15551234567` arrives as a blank."""
    return f"+{value}" if value is not None and given.startswith(" ") and value[0].isdecimal() else value


def _words(value: str | None) -> str | None:
    if value is not None and not any(letter.isalnum() for letter in value):
        raise BadRecordQuery("text must have a word to look for.")
    return value.casefold() if value is not None else None


def _limit(value: str | None) -> int | None:
    if value is None:
        return None
    if value.isascii() and value.isdecimal() and len(value) < 5 and 1 <= int(value) <= MAX_LIMIT:
        return int(value)
    raise BadRecordQuery(f"limit must be a number from 1 to {MAX_LIMIT}.")


def _place(cursor: str | None) -> Place | None:
    if not cursor:
        return None
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError("too long")
        started_at, call_sid = json.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        found = Place(datetime.fromisoformat(started_at), checked_call_sid(call_sid))
        if found.cursor() != cursor:
            raise ValueError("not written by us")
        return found
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, BadCallSid):
        raise BadRecordQuery(
            "cursor must be the one of an earlier answer. Without it the search begins anew."
        ) from None


def _shown(name: str) -> str:
    return ascii(name[:40])
