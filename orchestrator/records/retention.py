"""Deletes from the database what is older than `RETENTION_DAYS`: calls with their turns, events, and old erasures."""

import asyncio
import logging
from contextlib import AsyncExitStack

from orchestrator.errors import ArchiveUnavailable, ValueRefused
from orchestrator.process_metrics import catalog
from orchestrator.records.database import Database
from orchestrator.records.opening import open_database
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

BATCH = 500
"""Rows that one transaction deletes, so that none holds up what is written meanwhile."""
MOST_BATCHES = 400
"""In one run: what is left goes with the next."""
RUN_SECONDS = 240.0
INTERVAL_SECONDS = 3600.0
ERASED_DAYS = 30
"""For so long at least it is known that a call was erased: nothing of it comes later than that."""

_CALLS = """
DELETE FROM voiceagent_calls WHERE (call_sid, started_at) IN (
    SELECT call_sid, started_at FROM voiceagent_calls WHERE started_at < now() - make_interval(days => $1)
    ORDER BY started_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_EVENTS = """
DELETE FROM voiceagent_events WHERE id IN (
    SELECT id FROM voiceagent_events WHERE occurred_at < now() - make_interval(days => $1)
    ORDER BY occurred_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_ERASED = """
DELETE FROM voiceagent_erased WHERE life IN (
    SELECT life FROM voiceagent_erased WHERE erased_at < now() - make_interval(days => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


async def delete_old(database: Database, days: int, *, batch: int = BATCH) -> dict[str, int]:
    """Delete what is older than so many days, by the database's clock. Return how many rows of which table.

    Several processes may do it at once. Raise `ArchiveUnavailable`.
    """
    deleted = {}
    for table, statement, age in (
        ("calls", _CALLS, days), ("events", _EVENTS, days), ("erased", _ERASED, max(days, ERASED_DAYS))
    ):  # fmt: skip
        deleted[table] = 0
        for _ in range(MOST_BATCHES):
            async with database.transaction() as connection:
                answer = await connection.execute(statement, age, batch)
            count = int(answer.rpartition(" ")[2])
            deleted[table] += count
            if count < batch:
                break
    return deleted


async def keep_retention(settings: Settings) -> dict[str, int]:
    """Delete what is too old, if the settings say so; count and log it. Without a database that answers, do nothing."""
    if settings.retention_days is None or (database := open_database(settings, connections=1)) is None:
        return {}
    try:
        async with asyncio.timeout(RUN_SECONDS):
            deleted = await delete_old(database, settings.retention_days)
    except (ArchiveUnavailable, ValueRefused, TimeoutError) as error:
        message = "Records older than RETENTION_DAYS could not be deleted: %s"
        logger.warning(message, error or "it took too long", extra={"action": "records.retention_failed"})
        return {}
    finally:
        await database.close()
    for table in ("calls", "events"):
        catalog.RECORDS_EXPIRED.inc(table, by=deleted[table])
    if deleted["calls"] or deleted["events"]:
        logger.info(
            "Deleted %d calls and %d events that were older than RETENTION_DAYS", deleted["calls"], deleted["events"],
            extra={"action": "records.expired"},
        )  # fmt: skip
    return deleted


async def watch_retention(settings: Settings, stack: AsyncExitStack) -> None:
    """In a process without workers: delete what is too old now and each hour, until `stack` is closed."""

    async def watch() -> None:
        while True:
            await keep_retention(settings)
            await asyncio.sleep(INTERVAL_SECONDS)

    stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch(), name="keep the retention"))
