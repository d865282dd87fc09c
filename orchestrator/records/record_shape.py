"""Rows of the database as the JSON that the API answers with."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FIRST_FIELDS = (
    "call_sid", "seq", "agent", "tenant", "worker_version", "channel", "direction", "from_number", "to_number",
    "started_at", "ended_at", "duration_seconds", "status", "reason", "phase", "slots",
)  # fmt: skip
"""jsonb forgets the order of fields: these come first, then what else there is, then the turns."""


def summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a call: its columns, with the number of its turns."""
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in row.items()}


def whole_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as its `call.ended` told it. One of an open call has the status `active`."""
    data = json.loads(row["data"])
    known = {"call_sid": row["call_sid"], "started_at": _time(row["started_at"]), "status": row["status"], **data}
    first = {name: known[name] for name in FIRST_FIELDS if name in known}
    rest = {name: known[name] for name in sorted(known.keys() - first.keys())}
    return {**first, **rest, "turns": json.loads(row["turns"])}


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
