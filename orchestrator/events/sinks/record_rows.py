"""The rows of a call and of its turns, made of the data of events."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.records.sealed_rows import HIDDEN_COLUMNS, SealedRows, call_place, turn_place
from orchestrator.records.storable import as_json

LONGEST_COLUMN = 256
"""Characters of a column that is searched: an index takes no long ones. `data` has the whole text."""
MOST_WORDS_BYTES = 200_000
"""Of what was said, to be searched. PostgreSQL's limit, 1 MB, is for words with their positions."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A row of `voiceagent_calls`, in the order of its columns."""

    call_sid: str
    started_at: datetime
    ended_at: datetime | None
    duration_seconds: float | None
    status: str
    reason: str | None
    channel: str | None
    direction: str | None
    from_number: str | None
    to_number: str | None
    agent: str | None
    tenant: str | None
    worker_version: str | None
    phase: str | None
    turns: int
    partial: bool
    data: str

    def values(self) -> list[Any]:
        """Return the values of the columns."""
        return [getattr(self, column) for column in CALL_COLUMNS]


CALL_COLUMNS = tuple(field.name for field in fields(CallRow))
_TEXT_COLUMNS = (
    "reason", "channel", "direction", "from_number", "to_number", "agent", "tenant", "worker_version", "phase",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A row of `voiceagent_turns`, without its call and position."""

    turn_id: str | None
    kind: str | None
    outcome: str | None
    received_at: datetime | None
    data: str


def call_row(
    data: dict[str, Any], call_sid: str, started_at: datetime, *, ended_at: datetime | None = None, turns: int = 0
) -> CallRow:
    """Return the row of a call that is open, or has ended. A field that is missing, or of another type, is None."""
    rest = {name: value for name, value in data.items() if name != "turns"}
    return CallRow(
        call_sid=call_sid,
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=_number(data.get("duration_seconds")),
        status=(_column(data.get("status")) or "completed") if ended_at is not None else "active",
        turns=turns,
        partial=data.get("partial") is True,
        data=as_json(rest),
        **{name: _column(data.get(name)) for name in _TEXT_COLUMNS},
    )


def turn_rows(turns: Any) -> list[TurnRow]:
    """Return the rows of the record's turns, in order."""
    return [turn_row(turn) for turn in turns] if isinstance(turns, list) else []


def turn_row(turn: Any) -> TurnRow:
    """Return the row of a turn."""
    found: dict[str, Any] = turn if isinstance(turn, dict) else {}
    return TurnRow(
        turn_id=_column(found.get("turn_id")),
        kind=_column(found.get("kind")),
        outcome=_column(found.get("outcome")),
        received_at=moment(found.get("received_at")),
        data=as_json(turn),
    )


def sealed_call(row: CallRow, rows: SealedRows) -> CallRow:
    """Return the row as it is kept."""
    if not rows.encrypts:
        return row
    columns = rows.columns({name: getattr(row, name) for name in HIDDEN_COLUMNS})
    return replace(row, **columns, data=rows.seal(call_place(row.call_sid, row.started_at), row.data))


def sealed_turns(turns: Sequence[TurnRow], call_sid: str, life: datetime, rows: SealedRows) -> list[TurnRow]:
    """Return the rows of a call's turns as they are kept."""
    if not rows.encrypts:
        return list(turns)
    place = turn_place(call_sid, life)
    return [replace(turn, data=rows.seal(place, turn.data)) for turn in turns]


def words_of(rows: Sequence[TurnRow]) -> str:
    """Return what the caller and the agent said, bounded, for the search.

    Its letters are folded here: the database folds ASCII alone where its locale is C.
    """
    text = "\n".join(words for row in rows for words in said(json.loads(row.data))).casefold()
    return text.encode()[:MOST_WORDS_BYTES].decode(errors="ignore")


def said(turn: Any) -> list[str]:
    """Return the words of a turn, and those of its reply."""
    if not isinstance(turn, dict):
        return []
    reply = turn.get("reply")
    found = [turn.get("text"), reply.get("text") if isinstance(reply, dict) else None]
    return [words for words in found if isinstance(words, str)]


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 time, UTC unless it says another zone; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _column(value: Any) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    return str(value)[:LONGEST_COLUMN]


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
