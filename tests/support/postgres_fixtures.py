"""A PostgreSQL that the tests of a process share, since it takes two seconds to make, and the tables of records in it.

A test that stops the server starts a `PostgresServer` of its own.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from support.postgres import PostgresServer, installed

EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
SET lock_timeout = '60s';
DROP SCHEMA public CASCADE;
CREATE SCHEMA public
"""
"""What a test has left running would hold the next one up."""


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """One server. Use `postgres_url` or `records_url`, which empty it first."""
    pytest.importorskip("asyncpg", reason="wants the extra `postgres`")
    if not installed():
        pytest.skip("wants PostgreSQL: initdb and postgres in PATH")
    with PostgresServer() as server:
        yield server


@pytest.fixture
async def postgres_url(shared_postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    import asyncpg

    connection = await asyncpg.connect(shared_postgres.dsn)
    try:
        await connection.execute(EMPTY)
    finally:
        await connection.close()
    return shared_postgres.dsn


@pytest.fixture
async def records_url(postgres_url: str) -> str:
    """The URL of a database with the tables of records, and nothing in them."""
    from orchestrator.records.schema import migrate

    await migrate(postgres_url)
    return postgres_url


@pytest.fixture
async def records(records_url: str) -> AsyncIterator[Any]:
    """A connection to that database, to look into it."""
    import asyncpg

    connection = await asyncpg.connect(records_url)
    yield connection
    await connection.close()
