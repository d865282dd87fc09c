"""Writes one event, and what follows from it for its call, in a transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.encryption.cipher import NO_CIPHER
from orchestrator.errors import ValueRefused
from orchestrator.events.event import Event
from orchestrator.events.sinks.record_rows import (
    CALL_COLUMNS,
    TurnRow,
    call_row,
    moment,
    sealed_call,
    sealed_turns,
    turn_row,
    turn_rows,
    words_of,
)
from orchestrator.records.erasing import erase_call, erase_life, is_erased, lock_call
from orchestrator.records.sealed_rows import SealedRows, event_place
from orchestrator.records.storable import as_json, storable

IN_ROWS = ("call.ended", "turn.completed")
"""Types whose data is in the rows of the call and its turns, and is not kept a second time."""

HEAD = (
    "call_sid", "started_at", "agent", "tenant", "worker_version", "channel", "direction", "from_number", "to_number",
)  # fmt: skip
"""Fields of any event's data that tell of the call."""

_COLUMNS = ", ".join(CALL_COLUMNS)
_VALUES = ", ".join(f"${number}" for number in range(1, len(CALL_COLUMNS) + 1))
_WORDS = f"${len(CALL_COLUMNS) + 1}"
_CHANGED = ", ".join(
    f"{name} = excluded.{name}" for name in (*CALL_COLUMNS, "words") if name not in ("call_sid", "started_at")
)

PLAIN_ROWS = SealedRows(NO_CIPHER)

LATEST_LIFE = "SELECT max(started_at) FROM voiceagent_calls WHERE call_sid = $1"
KEEP_EVENT = """
INSERT INTO voiceagent_events (id, type, call_sid, started_at, seq, occurred_at, data)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb) ON CONFLICT (id) DO NOTHING RETURNING true
"""
KEEP_ERASURE = """
INSERT INTO voiceagent_events (id, type, occurred_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING
"""
OPEN_CALL = f"INSERT INTO voiceagent_calls ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT DO NOTHING"
END_CALL = f"""
INSERT INTO voiceagent_calls AS call ({_COLUMNS}, words) VALUES ({_VALUES}, to_tsvector('simple', {_WORDS}))
ON CONFLICT (call_sid, started_at) DO UPDATE SET {_CHANGED}
WHERE call.ended_at IS NULL OR call.partial OR NOT excluded.partial
RETURNING true
"""
TURNS = """
SELECT turn_id, kind, outcome, received_at, data::text AS data FROM voiceagent_turns
WHERE call_sid = $1 AND started_at = $2 ORDER BY position
"""
DELETE_TURNS = "DELETE FROM voiceagent_turns WHERE call_sid = $1 AND started_at = $2"
ADD_TURNS = """
INSERT INTO voiceagent_turns (call_sid, started_at, position, turn_id, kind, outcome, received_at, data)
SELECT $1, $2, position, turn_id, kind, outcome, received_at, data::jsonb
FROM unnest($3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
    AS turn (position, turn_id, kind, outcome, received_at, data)
"""
COUNT_TURNS = "UPDATE voiceagent_calls SET turns = $3 WHERE call_sid = $1 AND started_at = $2"


class CallIsErased(ValueRefused):
    """The call was erased. Nothing of it is kept any more."""


@dataclass(frozen=True, slots=True)
class PreparedEvent:
    """An event that can be written. `turns` and `words` are those of a `call.ended`."""

    event: Event
    data: dict[str, Any]
    call_sid: str
    occurred_at: datetime
    turns: list[TurnRow]
    words: str


async def prepare_event(event: Event) -> PreparedEvent:
    """Return what is to be written of an event. Raise `ValueRefused`.

    A whole record may have 1 MB: it is prepared in a thread.
    """
    return await asyncio.to_thread(_prepare, event) if event.type == "call.ended" else _prepare(event)


def _prepare(event: Event) -> PreparedEvent:
    data = storable(event.data)
    call_sid, occurred_at = data.get("call_sid"), moment(event.timestamp)
    if not isinstance(call_sid, str) or occurred_at is None:
        raise ValueRefused("An event needs a call_sid and a timestamp.")
    turns = turn_rows(data.get("turns")) if event.type == "call.ended" else []
    return PreparedEvent(event, data, call_sid, occurred_at, turns, words_of(turns))


async def write_event(connection: Any, told: PreparedEvent, key: bytes, rows: SealedRows = PLAIN_ROWS) -> None:
    """Write an event, once for its id. The connection is in a transaction. `key` is that of erased calls; `rows`
    encrypts what is kept.

    Events of one call wait for each other, whichever process writes them.
    """
    await lock_call(connection, told.call_sid)
    if told.event.type == "call.erased":
        await _erase(connection, told, key)
        return
    life = await _life(connection, told)
    if await is_erased(connection, key, told.call_sid, life or told.occurred_at):
        raise CallIsErased
    if await _keep(connection, told, life, rows) and life is not None:
        await _derive(connection, told, life, rows)


async def _life(connection: Any, told: PreparedEvent) -> datetime | None:
    """Return when the state of the event's call was created, None if nobody knows."""
    if (found := moment(told.data.get("started_at"))) is not None:
        return found
    latest: datetime | None = await connection.fetchval(LATEST_LIFE, told.call_sid)
    if latest is None and told.event.type in ("call.started", "call.ended"):
        return told.occurred_at
    return latest


async def _keep(connection: Any, told: PreparedEvent, life: datetime | None, rows: SealedRows) -> bool:
    """Write the event's row. Return False if its id is there."""
    event, seq = told.event, told.data.get("seq")
    has_rows = event.type in IN_ROWS and life is not None
    event_id = str(storable(event.id))
    values = (
        event_id, str(storable(event.type)), told.call_sid, life, seq if isinstance(seq, int) else None,
        told.occurred_at, None if has_rows else rows.seal(event_place(event_id), as_json(told.data)),
    )  # fmt: skip
    return bool(await connection.fetchval(KEEP_EVENT, *values))


async def _derive(connection: Any, told: PreparedEvent, life: datetime, rows: SealedRows) -> None:
    match told.event.type:
        case "call.started":
            await connection.execute(OPEN_CALL, *sealed_call(call_row(told.data, told.call_sid, life), rows).values())
        case "turn.completed":
            await _add_turn(connection, told, life, rows)
        case "call.ended":
            await _end(connection, told, life, rows)


async def _add_turn(connection: Any, told: PreparedEvent, life: datetime, rows: SealedRows) -> None:
    """Add a turn to its call. What the record of a call that is over has is left as it is."""
    row = turn_row({name: value for name, value in told.data.items() if name not in (*HEAD, "seq")})
    head = {
        name: value for name, value in told.data.items() if name in CALL_COLUMNS and name not in ("status", "reason")
    }
    await connection.execute(OPEN_CALL, *sealed_call(call_row(head, told.call_sid, life), rows).values())
    there = await _turns(connection, told.call_sid, life)
    if row.turn_id is None or all(each.turn_id != row.turn_id for each in there):
        kept = sealed_turns([row], told.call_sid, life, rows)
        await _write_turns(connection, told.call_sid, life, kept, first=len(there))
        await connection.execute(COUNT_TURNS, told.call_sid, life, len(there) + 1)


async def _end(connection: Any, told: PreparedEvent, life: datetime, rows: SealedRows) -> None:
    """Write the record. Turns that a partial one has lost, and that were told before, are kept."""
    data, turns, words = told.data, sealed_turns(told.turns, told.call_sid, life, rows), told.words
    if data.get("partial") is True:
        known = {row.turn_id for row in turns}
        turns = [row for row in await _turns(connection, told.call_sid, life) if row.turn_id not in known] + turns
        words = "" if rows.encrypts else await asyncio.to_thread(words_of, turns)
    ended_at = moment(data.get("ended_at")) or told.occurred_at
    call = sealed_call(call_row(data, told.call_sid, life, ended_at=ended_at, turns=len(turns)), rows)
    if await connection.fetchval(END_CALL, *call.values(), "" if rows.encrypts else words):
        await connection.execute(DELETE_TURNS, told.call_sid, life)
        await _write_turns(connection, told.call_sid, life, turns)


async def _erase(connection: Any, told: PreparedEvent, key: bytes) -> None:
    """Delete what is kept of this life of the call, or of all earlier ones if the event does not say which."""
    if (life := moment(told.data.get("started_at"))) is not None:
        await erase_life(connection, key, told.call_sid, life, told.occurred_at)
    else:
        await erase_call(connection, key, told.call_sid, told.occurred_at)
    await connection.execute(KEEP_ERASURE, str(storable(told.event.id)), told.event.type, told.occurred_at)


async def _turns(connection: Any, call_sid: str, life: datetime) -> list[TurnRow]:
    return [TurnRow(**dict(row)) for row in await connection.fetch(TURNS, call_sid, life)]


async def _write_turns(connection: Any, call_sid: str, life: datetime, rows: Sequence[TurnRow], first: int = 0) -> None:
    positions = list(range(first, first + len(rows)))
    columns = [[getattr(row, name) for row in rows] for name in ("turn_id", "kind", "outcome", "received_at", "data")]
    await connection.execute(ADD_TURNS, call_sid, life, positions, *columns)
