"""Migrations: from nothing, twice, at once, and of a newer program."""

import asyncio
import multiprocessing
from typing import Any

import pytest

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")

import asyncpg
from support.postgres import PostgresServer
from support.recorded_calls import ended, keep, turn

from orchestrator.errors import ArchiveUnavailable
from orchestrator.records.schema import MIGRATIONS, NEWEST, Migrated, Migration, migrate

NEXT = Migration(NEWEST + 1, "mood", "ALTER TABLE voiceagent_calls ADD COLUMN mood text NOT NULL DEFAULT 'calm'")


@pytest.fixture
async def connection(postgres_url: str) -> Any:
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def tables(connection: Any) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [row["tablename"] for row in rows]


async def test_the_tables_are_made_once(postgres_url: str, connection: Any) -> None:
    assert await migrate(postgres_url) == Migrated(NEWEST, ("0001 calls_turns_events", "0002 events_by_time"))
    assert await migrate(postgres_url) == Migrated(NEWEST, ())
    assert await tables(connection) == [
        f"voiceagent_{name}" for name in ("calls", "erased", "events", "migrations", "turns")
    ]


async def test_many_at_once_make_them_once(postgres_url: str) -> None:
    done = await asyncio.gather(*(migrate(postgres_url) for _ in range(8)))
    assert sum(len(each.applied) for each in done) == len(MIGRATIONS)


def migrate_in_a_process(url: str) -> None:
    asyncio.run(migrate(url))


@pytest.mark.processes
async def test_processes_at_once_make_them_once(postgres_url: str, connection: Any) -> None:
    spawn = multiprocessing.get_context("spawn")
    several = [spawn.Process(target=migrate_in_a_process, args=(postgres_url,)) for _ in range(2)]
    for process in several:
        process.start()
    for process in several:
        await asyncio.to_thread(process.join, 60)
    assert [process.exitcode for process in several] == [0, 0]
    assert await connection.fetchval("SELECT count(*) FROM voiceagent_migrations") == len(MIGRATIONS)


async def test_a_newer_version_is_left_alone_and_this_program_works_with_it(postgres_url: str, connection: Any) -> None:
    assert (await migrate(postgres_url, (*MIGRATIONS, NEXT))).version == NEWEST + 1
    assert await migrate(postgres_url) == Migrated(NEWEST + 1, ())
    await keep(postgres_url, [ended(turn("t1"))])
    assert await connection.fetchval("SELECT mood FROM voiceagent_calls") == "calm"


async def test_records_survive_a_migration(postgres_url: str, connection: Any) -> None:
    await migrate(postgres_url)
    await keep(postgres_url, [ended(turn("t1"))])
    assert (await migrate(postgres_url, (*MIGRATIONS, NEXT))).applied == (f"{NEXT.version:04} mood",)
    assert await connection.fetchval("SELECT turns FROM voiceagent_calls WHERE mood = 'calm'") == 1


async def test_a_migration_that_fails_leaves_nothing_of_itself(postgres_url: str, connection: Any) -> None:
    broken = Migration(NEXT.version, "broken", f"{NEXT.sql}; SELECT * FROM nowhere")
    with pytest.raises(ArchiveUnavailable):
        await migrate(postgres_url, (*MIGRATIONS, broken))
    assert (await migrate(postgres_url)).version == NEWEST
    assert (await migrate(postgres_url, (*MIGRATIONS, NEXT))).version == NEWEST + 1


async def test_a_database_in_another_encoding_is_refused(shared_postgres: PostgresServer, connection: Any) -> None:
    await connection.execute("DROP DATABASE IF EXISTS latin")
    await connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(ArchiveUnavailable, match="LATIN1"):
        await migrate(shared_postgres.dsn.replace("/postgres", "/latin"))


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, NEWEST + 1))
