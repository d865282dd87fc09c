"""The archive: reads the records of calls, and erases them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.errors import ArchiveUnavailable, NoTextSearch, UnknownRecord
from orchestrator.records.database import READING, Database
from orchestrator.records.erasing import erase_call
from orchestrator.records.record_query import DEFAULT_LIMIT, Place, RecordQuery
from orchestrator.records.record_shape import RECORD_TEXT, opened_record, opened_summary
from orchestrator.records.sealed_rows import SealedRows

ANSWER_SECONDS = 5.0
"""For a page, or one record."""
EXPORT_STATEMENT_SECONDS = 60.0
"""For the first part of an export, which may have to sort all of it, and for each further one."""
MOST_EXPORTS = 2
"""At a time in one process. The other connections are for pages."""
MOST_IN_HAND = 20
"""Records that an export holds at a time: each has 1 MB at most, and mostly some 10 kB."""
PART_CHARACTERS = 256 * 1024
"""Of lines that an export gives out at once, unless one alone is longer: between two parts others have their turn."""

SUMMARY = """
SELECT call_sid, started_at, ended_at, duration_seconds, status, reason, channel, direction, from_number, to_number,
       agent, tenant, worker_version, phase, partial, turns,
       CASE WHEN jsonb_exists(data, 'sealed') THEN data::text END AS sealed FROM voiceagent_calls AS call
"""
RECORD = f"SELECT {RECORD_TEXT} AS record FROM voiceagent_calls AS call"
NEWEST_FIRST = "ORDER BY started_at DESC, call_sid DESC"


@dataclass(frozen=True, slots=True)
class Page:
    """Summaries of records, the newest first, and the cursor of the next page, None on the last."""

    records: list[dict[str, Any]]
    cursor: str | None


class Archive:
    """Reads what `PostgresSink` writes. Every method may raise `ArchiveUnavailable`."""

    def __init__(
        self, database: Database, *, answer_seconds: float = ANSWER_SECONDS, cipher: Cipher = NO_CIPHER
    ) -> None:
        self._rows = SealedRows(cipher)
        self._database = database
        self._answer_seconds = answer_seconds
        self._exports = asyncio.Semaphore(MOST_EXPORTS)

    async def page(self, query: RecordQuery) -> Page:
        """Return the records that the query finds, without their turns."""
        limit = query.limit or DEFAULT_LIMIT
        where, values = self._conditions(query)
        async with self._database.transaction(READING, seconds=self._answer_seconds) as connection:
            rows = await connection.fetch(f"{SUMMARY} {where} {NEWEST_FIRST} LIMIT {limit + 1}", *values)
        found = rows[:limit]
        last = Place(found[-1]["started_at"], found[-1]["call_sid"]) if len(rows) > limit else None
        return Page([opened_summary(row, self._rows) for row in found], last.cursor() if last else None)

    async def record(self, call_sid: str, started_at: datetime | None = None) -> str:
        """Return the record of a call as JSON: of the life that began then, or of its latest. Raise `UnknownRecord`."""
        since, values = ("", [call_sid]) if started_at is None else ("AND started_at = $2", [call_sid, started_at])
        async with self._database.transaction(READING, seconds=self._answer_seconds) as connection:
            record = await connection.fetchval(f"{RECORD} WHERE call_sid = $1 {since} {NEWEST_FIRST} LIMIT 1", *values)
        if record is None:
            raise UnknownRecord
        return await self._opened(str(record))

    async def export(self, query: RecordQuery) -> AsyncGenerator[list[str], None]:
        """Yield all records that the query finds, whole, each as a line of JSON, some at a time.

        They are those of one moment. The database keeps a cursor meanwhile; closing the generator ends it.
        """
        if self._exports.locked():
            raise ArchiveUnavailable(f"{MOST_EXPORTS} exports are running here already. Try again later.")
        where, values = self._conditions(query)
        limit = f"LIMIT {query.limit}" if query.limit else ""
        async with (
            self._exports,
            self._database.transaction(READING, seconds=EXPORT_STATEMENT_SECONDS) as connection,
        ):
            cursor = await connection.cursor(f"{RECORD} {where} {NEWEST_FIRST} {limit}", *values)
            while rows := await cursor.fetch(MOST_IN_HAND, timeout=EXPORT_STATEMENT_SECONDS):
                for part in _parts([await self._opened(row["record"]) for row in rows]):
                    yield part
                    await asyncio.sleep(0)  # a client that reads fast leaves nothing to wait for

    async def erase(self, call_sid: str, at: datetime) -> int:
        """Erase the records of the call that had begun `at` that time. Return how many rows there were of it."""
        async with self._database.transaction(seconds=self._answer_seconds) as connection:
            return await erase_call(connection, self._database.erasure_key, call_sid, at)

    def _conditions(self, query: RecordQuery) -> tuple[str, list[Any]]:
        if query.text is not None and self._rows.encrypts:
            raise NoTextSearch
        return conditions(query, self._rows)

    async def _opened(self, text: str) -> str:
        """Return the record decrypted, in a thread: it may have 1 MB."""
        return await asyncio.to_thread(opened_record, text, self._rows) if '"sealed"' in text else text

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()


def _parts(records: Sequence[str]) -> Iterator[list[str]]:
    """Yield the records as lines, so many at a time as `PART_CHARACTERS` says."""
    part: list[str] = []
    size = 0
    for record in records:
        if part and size + len(record) > PART_CHARACTERS:
            yield part
            part, size = [], 0
        part.append(record + "\n")
        size += len(record)
    if part:
        yield part


def conditions(query: RecordQuery, rows: SealedRows) -> tuple[str, list[Any]]:
    """Return the query's WHERE, and the values of its parameters."""
    values: list[Any] = []
    terms: list[str] = []

    def add(term: str, *given: Any) -> None:
        if given[0] is not None:
            numbers = [f"${len(values) + index}" for index in range(1, len(given) + 1)]
            values.extend(given)
            terms.append(term.format(*numbers))

    add("started_at >= {}", query.since)
    add("started_at < {}", query.until)
    add("call_sid = {}", query.call_sid)
    numbers = None if query.number is None else rows.number_values(query.number)
    add("(from_number = ANY({0}::text[]) OR to_number = ANY({0}::text[]))", numbers)
    add("agent = {}", query.agent)
    add("tenant = {}", query.tenant)
    add("status = {}", query.outcome)
    add("words @@ websearch_to_tsquery('simple', {})", query.text)
    if query.after is not None:
        add("(started_at, call_sid) < ({}, {})", query.after.started_at, query.after.call_sid)
    return (f"WHERE {' AND '.join(terms)}" if terms else ""), values
