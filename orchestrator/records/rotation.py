"""Encrypts the rows of the database anew under the first key, while others write."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import UnreadableSeal
from orchestrator.records.database import Database
from orchestrator.records.sealed_rows import HIDDEN_COLUMNS, SealedRows, call_place, event_place, turn_place

BATCH = 200
LONGEST_COLUMN = 256


@dataclass(slots=True)
class RotatedRows:
    """What was done: how many rows were looked at, and written anew, and why how many are left."""

    looked_at: int = 0
    resealed: int = 0
    left: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table: the columns of its key, and what a row's data is bound to. `has_columns`: some are hidden, too."""

    name: str
    key: tuple[str, ...]
    place: Callable[[Mapping[str, Any]], str]
    has_columns: bool = False


_TABLES = (
    _Table(
        "voiceagent_calls",
        ("call_sid", "started_at"),
        lambda row: call_place(row["call_sid"], row["started_at"]),
        has_columns=True,
    ),
    _Table(
        "voiceagent_turns",
        ("call_sid", "started_at", "position"),
        lambda row: turn_place(row["call_sid"], row["started_at"]),
    ),
    _Table("voiceagent_events", ("id",), lambda row: event_place(row["id"])),
)
KEY_USE = """
SELECT CASE WHEN jsonb_exists(data, 'sealed')
    THEN encode(substring(decode(substr(data->>'sealed', 1, 8), 'base64') FROM 1 FOR 4), 'hex')
    ELSE 'plain' END AS key_id, count(*) AS number
FROM {table} WHERE data IS NOT NULL GROUP BY 1
"""


async def row_key_use(database: Database) -> Counter[str]:
    """Return how many rows lie under which key: its id, or `plain`. Raise `ArchiveUnavailable`."""
    found: Counter[str] = Counter()
    async with database.transaction() as connection:
        for table in _TABLES:
            for row in await connection.fetch(KEY_USE.format(table=table.name)):
                found[row["key_id"]] += row["number"]
    return found


async def rotate_rows(database: Database, rows: SealedRows) -> RotatedRows:
    """Write every row anew that is not encrypted as `rows` encrypts now. It may be repeated, and ended at any time.

    What was searched for words cannot be from then on; a row that is decrypted is not found by words any more, either.
    Raise `ArchiveUnavailable`.
    """
    done = RotatedRows()
    for table in _TABLES:
        async for connection, batch in _batches(database, table):
            for row in batch:
                await _reseal(connection, table, row, rows, done)
    return done


async def _batches(database: Database, table: _Table) -> AsyncIterator[tuple[Any, list[Any]]]:
    """Yield all rows by their key, each batch in a transaction of its own."""
    key = ", ".join(table.key)
    numbers = ", ".join(f"${number}" for number in range(1, len(table.key) + 1))
    after: list[Any] = []
    while True:
        where = f"AND ({key}) > ({numbers})" if after else ""
        rows = f"SELECT {key}, data::text AS data FROM {table.name} WHERE data IS NOT NULL {where}"
        async with database.transaction() as connection:
            batch = await connection.fetch(f"{rows} ORDER BY {key} LIMIT {BATCH}", *after)
            if not batch:
                return
            yield connection, batch
        after = [batch[-1][name] for name in table.key]


async def _reseal(connection: Any, table: _Table, row: Mapping[str, Any], rows: SealedRows, done: RotatedRows) -> None:
    done.looked_at += 1
    if rows.is_current(row["data"]):
        return
    place = table.place(row)
    try:
        text = rows.open(place, row["data"])
    except UnreadableSeal as error:
        done.left[str(error)] += 1
        return
    values = [*(row[name] for name in table.key), row["data"], rows.seal(place, text)]
    changes = [f"data = ${len(values)}::jsonb"]
    if table.has_columns:
        for name, value in rows.columns(_columns(json.loads(text))).items():
            values.append(value)
            changes.append(f"{name} = ${len(values)}")
        changes += ["words = NULL"] if rows.encrypts else []
    where = " AND ".join(f"{name} = ${number}" for number, name in enumerate(table.key, 1))
    unchanged = f"data = ${len(table.key) + 1}::jsonb"
    answer = await connection.execute(
        f"UPDATE {table.name} SET {', '.join(changes)} WHERE {where} AND {unchanged}", *values
    )
    if answer == "UPDATE 1":
        done.resealed += 1
    else:
        done.left["changed meanwhile"] += 1


def _columns(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if data.get(name) is None else str(data[name])[:LONGEST_COLUMN] for name in HIDDEN_COLUMNS}
