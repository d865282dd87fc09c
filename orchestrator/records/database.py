"""Transactions on the database of records, over a small pool that connects when it is first used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from orchestrator.errors import ArchiveNotMigrated
from orchestrator.records.database_errors import database_errors
from orchestrator.records.erasing import erasure_key
from orchestrator.records.schema import NEWEST, version_of

CONNECT_SECONDS = 5.0
"""Also for a connection of the pool to be free."""
ANSWER_SECONDS = 10.0
"""For one statement; 2 s later the connection is given up."""
CLOSE_SECONDS = 2.0
IDLE_SECONDS = 60.0
"""After this, an unused connection is closed."""

READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED"


class Database:
    """The database at `url`, with at most `connections`.

    Nothing is kept in a session, and nothing runs outside of a transaction: a pooler may be between.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int,
        answer_seconds: float = ANSWER_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._url = url
        self.erasure_key = erasure_key(url)
        self._connections = connections
        self._answer_seconds = answer_seconds
        self._connect_seconds = connect_seconds
        self._opening = asyncio.Lock()
        self._pool: Any = None
        self._is_migrated = False

    @asynccontextmanager
    async def transaction(self, begin: str = WRITING, *, seconds: float | None = None) -> AsyncIterator[Any]:
        """Yield a connection in a transaction, which is committed at the end. No statement takes longer than `seconds`.

        Raise `ArchiveUnavailable`, `ArchiveNotMigrated` or `ValueRefused`; then nothing was written.
        """
        with database_errors():
            async with self._connection() as connection:
                await connection.execute(f"{begin}; {_limits(connection, seconds or self._answer_seconds)}")
                await self._require_tables(connection)
                yield connection
                await connection.execute("COMMIT")

    async def close(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
        except (TimeoutError, OSError, asyncpg.InterfaceError):
            pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        pool = await self._opened()
        connection = await pool.acquire(timeout=self._connect_seconds)
        try:
            yield connection
        except BaseException:
            await _roll_back(connection)
            raise
        finally:
            await pool.release(connection, timeout=CLOSE_SECONDS)

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._connections,
                    timeout=self._connect_seconds,
                    command_timeout=self._answer_seconds + 2,
                    max_inactive_connection_lifetime=IDLE_SECONDS,
                    statement_cache_size=0,  # a pooler may give each transaction another session
                    server_settings={"application_name": "voiceagent"},
                )
        return self._pool

    async def _require_tables(self, connection: Any) -> None:
        if self._is_migrated:
            return
        if await version_of(connection) < NEWEST:
            raise ArchiveNotMigrated
        self._is_migrated = True


async def _roll_back(connection: Any) -> None:
    """End the transaction, and the statement that runs. Give the connection up if that takes long."""
    is_done = False
    try:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.execute("ROLLBACK")
            is_done = True
    finally:
        if not is_done:
            connection.terminate()


def _limits(connection: Any, seconds: float) -> str:
    """Return the statement that bounds what the server does for this transaction.

    A server of version 14 or later also looks each second whether we are still there: it ends the statement of a
    connection that was given up.
    """
    milliseconds = round(seconds * 1000)
    looks = "; SET LOCAL client_connection_check_interval = 1000" if connection.get_server_version().major >= 14 else ""
    return (
        f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds}; "
        f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds + 60_000}{looks}"
    )
