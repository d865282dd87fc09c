"""Rows of the database as the JSON that the API answers with."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import ArchiveUnavailable, UnreadableSeal
from orchestrator.records.sealed_rows import HIDDEN_COLUMNS, SealedRows, call_place

FIRST_FIELDS = (
    "call_sid", "seq", "agent", "tenant", "worker_version", "channel", "direction", "from_number", "to_number",
    "started_at", "ended_at", "duration_seconds", "status", "reason", "phase", "slots",
)  # fmt: skip
"""jsonb forgets the order of fields: these come first, then what else there is, then the turns."""

_FIRST = ", ".join(f"'{name}'" for name in FIRST_FIELDS)
_UTC = """to_char(call.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_STARTED_AT = f"replace({_UTC}, '.000000Z', 'Z')"
RECORD_TEXT = f"""
'{{' || (
    SELECT string_agg(
        to_json(field.key)::text || ': ' || field.value::text, ', '
        ORDER BY array_position(ARRAY[{_FIRST}], field.key), field.key COLLATE "C"
    ) FROM jsonb_each(
        jsonb_build_object('call_sid', call.call_sid, 'started_at', {_STARTED_AT}, 'status', call.status)
        || (call.data - 'turns')
    ) AS field
) || ', "turns": [' || coalesce((
    SELECT string_agg(turn.data::text, ', ' ORDER BY turn.position) FROM voiceagent_turns AS turn
    WHERE turn.call_sid = call.call_sid AND turn.started_at = call.started_at
), '') || ']}}'
"""
"""SQL: the record of `call` as its `call.ended` told it, as JSON on one line. One of an open call has the status
`active`. The database writes the text, since a record may have 1 MB, and to parse it would block the event loop."""


def summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a call: its columns, with the number of its turns."""
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def opened_summary(row: Mapping[str, Any], rows: SealedRows) -> dict[str, Any]:
    """Return what a list shows of a call. Of one that cannot be decrypted here, what was hidden is null."""
    shown = summary({name: value for name, value in row.items() if name != "sealed"})
    if row["sealed"] is None:
        return shown
    try:
        data = json.loads(rows.open(call_place(row["call_sid"], row["started_at"]), row["sealed"]))
    except UnreadableSeal:
        data = {}
    return {**shown, **{name: data.get(name) for name in HIDDEN_COLUMNS}}


def opened_record(text: str, rows: SealedRows) -> str:
    """Return the record that the database wrote with all of it decrypted. Raise `ArchiveUnavailable` if a key is
    missing, or something was changed."""
    try:
        record = rows.open_record(text)
    except UnreadableSeal as error:
        raise ArchiveUnavailable(f"The record cannot be decrypted here: {error}") from None
    turns = record.pop("turns")
    names = [name for name in FIRST_FIELDS if name in record] + sorted(record.keys() - set(FIRST_FIELDS))
    return json.dumps({**{name: record[name] for name in names}, "turns": turns}, ensure_ascii=False)
