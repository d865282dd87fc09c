"""What is older than `RETENTION_DAYS` leaves the database, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.recorded_calls import ended, event, keep, turn
from support.waiting import wait_until

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")

from orchestrator.process_metrics import catalog
from orchestrator.records.database import Database
from orchestrator.records.retention import delete_old, keep_retention, watch_retention
from orchestrator.settings import Settings
from workers.cron import cron_jobs

DAYS = 30


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z")


@pytest.fixture
async def database(records_url: str) -> AsyncIterator[Database]:
    database = Database(records_url, connections=2)
    yield database
    await database.close()


@pytest.fixture
async def filled(records_url: str) -> str:
    """A database with calls of which some are too old."""
    for number, days in enumerate((0, 1, DAYS - 1, DAYS + 1, 400)):
        about = {"call_sid": f"CA{number}", "started_at": ago(days), "ended_at": ago(days), "timestamp": ago(days)}
        await keep(records_url, [event("turn.failed", **about, note="x"), ended(turn("t1", "words"), **about)])
    return records_url


async def left(records: Any, table: str) -> list[str]:
    return sorted({row["call_sid"] for row in await records.fetch(f"SELECT call_sid FROM voiceagent_{table}")})


@pytest.mark.parametrize("batch", [1, 500])
async def test_what_is_too_old_leaves_with_its_turns_and_events(filled, database, records, batch) -> None:
    deleted = await delete_old(database, DAYS, batch=batch)
    assert deleted["calls"] == 2
    for table in ("calls", "turns"):
        assert await left(records, table) == ["CA0", "CA1", "CA2"]
    assert await delete_old(database, DAYS, batch=batch) == {"calls": 0, "events": 0, "erased": 0}


async def test_old_events_leave_also_those_of_calls_that_are_not_kept(filled, database, records) -> None:
    await records.execute("DELETE FROM voiceagent_calls")
    await records.execute(
        "UPDATE voiceagent_events SET occurred_at = now() - interval '31 days' WHERE call_sid = 'CA4'"
    )
    assert (await delete_old(database, DAYS))["events"] >= 1
    assert "CA4" not in await left(records, "events")


async def test_several_processes_may_do_it_at_once(filled, database, records) -> None:
    found = await asyncio.gather(*(delete_old(database, DAYS, batch=1) for _ in range(2)))
    await delete_old(database, DAYS)
    assert sum(each["calls"] for each in found) <= 2
    assert await left(records, "calls") == ["CA0", "CA1", "CA2"]


async def test_that_a_call_was_erased_is_known_for_a_month_at_least(database, records) -> None:
    for number, days in enumerate((1, 29, 31)):
        await records.execute(
            "INSERT INTO voiceagent_erased VALUES ($1, now() - make_interval(days => $2))", bytes([number]), days
        )
    assert (await delete_old(database, 1))["erased"] == 1


async def test_it_is_counted_and_logged(filled, caplog) -> None:
    settings = Settings(_env_file=None, events_database_url=filled, retention_days=DAYS)
    before = sum(catalog.RECORDS_EXPIRED.counts().values())
    caplog.set_level("INFO")
    assert (await keep_retention(settings))["calls"] == 2
    assert sum(catalog.RECORDS_EXPIRED.counts().values()) >= before + 2
    assert "records.expired" in [getattr(record, "action", "") for record in caplog.records]


async def test_a_database_that_does_not_answer_is_tried_again(caplog) -> None:
    settings = Settings(_env_file=None, events_database_url="postgresql://127.0.0.1:9/none", retention_days=DAYS)
    assert await keep_retention(settings) == {}
    assert [getattr(record, "action", "") for record in caplog.records] == ["records.retention_failed"]


async def test_without_workers_the_process_does_it_itself(filled, records) -> None:
    settings = Settings(_env_file=None, events_database_url=filled, retention_days=DAYS)

    async def is_done() -> bool:
        return await left(records, "calls") == ["CA0", "CA1", "CA2"]

    async with AsyncExitStack() as stack:
        await watch_retention(settings, stack)
        await wait_until(is_done, "the old calls have left")


@pytest.mark.parametrize(
    ("settings", "is_kept"),
    [({"retention_days": 30}, False), ({"events_database_url": "postgresql://x/y"}, False),
     ({"retention_days": 30, "events_database_url": "postgresql://x/y"}, True)],
)  # fmt: skip
def test_workers_do_it_where_it_is_set(settings, is_kept) -> None:
    jobs = [job.name for job in cron_jobs(Settings(_env_file=None, **settings))]
    assert ("cron:delete_old_records" in jobs) == is_kept
