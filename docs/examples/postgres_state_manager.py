"""States in PostgreSQL: a complete state manager, and the worked example for writing one.

    pip install 'voiceagent[postgres]'
    DATABASE_URL=postgresql://user:password@host/database
    STATE_MANAGER=postgres_state_manager:PostgresStateManager

One row is one call. Every method is one statement, so that each happens whole or not at all and needs no transaction
of ours; versions are compared and times are read in the database, whose clock all processes share.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from orchestrator.clock import utc_now
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadSetting, StateConflict, StoreFull, StoreUnavailable
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase

# `json`, not `jsonb`: it keeps the text as it was written, and takes every character that a caller can produce.
SCHEMA = """
CREATE TABLE IF NOT EXISTS voiceagent_states (
    call_sid   text PRIMARY KEY,
    version    bigint NOT NULL,
    is_active  boolean NOT NULL,
    expires_at timestamptz NOT NULL,
    state      json NOT NULL
);
CREATE INDEX IF NOT EXISTS voiceagent_states_active ON voiceagent_states (expires_at, call_sid) WHERE is_active;
CREATE INDEX IF NOT EXISTS voiceagent_states_expiry ON voiceagent_states (expires_at);
"""
SCHEMA_LOCK = 0x766F696365
"""`CREATE … IF NOT EXISTS` fails when two processes run it at once: one of them holds this advisory lock."""

# An expired row that was not cleaned up yet counts as none: the insert takes its place.
CREATE = """
INSERT INTO voiceagent_states AS old (call_sid, version, is_active, expires_at, state)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5)
ON CONFLICT (call_sid) DO UPDATE
SET version = excluded.version, is_active = excluded.is_active, expires_at = excluded.expires_at, state = excluded.state
WHERE old.expires_at <= now()
RETURNING true
"""
GET = "SELECT state FROM voiceagent_states WHERE call_sid = $1 AND expires_at > now()"
UPDATE = """
UPDATE voiceagent_states
SET version = $2, is_active = $3, expires_at = now() + make_interval(secs => $4), state = $5
WHERE call_sid = $1 AND version = $6 AND expires_at > now()
RETURNING true
"""
DELETE = "DELETE FROM voiceagent_states WHERE call_sid = $1 RETURNING expires_at > now()"
COUNT = "SELECT count(*) FROM voiceagent_states WHERE is_active AND expires_at > now()"
LIST = "SELECT call_sid FROM voiceagent_states WHERE is_active AND expires_at > now()"
CLEAN_UP = "DELETE FROM voiceagent_states WHERE expires_at <= now()"

ANSWER_SECONDS = 2.0
CONNECT_SECONDS = 2.0
MOST_CONNECTIONS = 10


class PostgresStateManager(StateManagerBase):
    """Keeps states in the database that `dsn` names, else `DATABASE_URL`. Makes its table when it is first used.

    A state lives for `ttl_seconds` after the last write, by default as `STATE_TTL_SECONDS` of `settings` says, and as
    `ENDED_CALL_TTL_SECONDS` says once its call has ended. It connects when it is first used, so that building one
    never waits.
    """

    def __init__(
        self, settings: Settings | None = None, *, dsn: str | None = None, ttl_seconds: float | None = None
    ) -> None:
        self._dsn = dsn or os.environ.get("DATABASE_URL", "")
        if not self._dsn:
            raise BadSetting("DATABASE_URL is not set. Set it to postgresql://user:password@host:5432/database.")
        self._ttl_seconds = float(ttl_seconds or (settings.state_ttl_seconds if settings else 3600))
        self._ended_ttl_seconds = float(ttl_seconds or (settings.ended_ttl if settings else 3600))
        self._opening = asyncio.Lock()
        self._pool: asyncpg.Pool | None = None

    async def create_state(self, call_sid: str, **fields: Any) -> ConversationState:
        """Begin a call, or return the state of the live one."""
        checked_call_sid(call_sid)
        state = ConversationState(**{**fields, "call_sid": call_sid, "version": 1})
        while True:
            async with self._connection() as connection:
                if await connection.fetchval(CREATE, *self._row(state)):
                    return state
            there = await self.get_state(call_sid)
            if there is not None:
                return there  # else it went away between the two statements: begin again

    async def get_state(self, call_sid: str) -> ConversationState | None:
        """The state, or None."""
        checked_call_sid(call_sid)
        async with self._connection() as connection:
            text = await connection.fetchval(GET, call_sid)
        return None if text is None else ConversationState.model_validate_json(text)

    async def update_state(self, state: ConversationState) -> ConversationState:
        """Write by compare-and-set. The given state keeps its version; the one returned has the next."""
        checked_call_sid(state.call_sid)
        written = state.model_copy(update={"version": state.version + 1, "updated_at": utc_now()})
        async with self._connection() as connection:
            if not await connection.fetchval(UPDATE, *self._row(written), state.version):
                raise StateConflict
        return written

    async def delete_state(self, call_sid: str) -> bool:
        """Forget the call; whether there was a live one."""
        checked_call_sid(call_sid)
        async with self._connection() as connection:
            return bool(await connection.fetchval(DELETE, call_sid))

    async def get_active_calls_count(self) -> int:
        """How many calls are active."""
        async with self._connection() as connection:
            return int(await connection.fetchval(COUNT))

    async def get_all_call_sids(self) -> list[str]:
        """The call SIDs of the active calls."""
        async with self._connection() as connection:
            return [row["call_sid"] for row in await connection.fetch(LIST)]

    async def health_check(self) -> bool:
        """Whether the database answers."""
        try:
            async with self._connection() as connection:
                return bool(await connection.fetchval("SELECT true"))
        except StoreUnavailable:
            return False

    async def cleanup_expired(self) -> int:
        """Delete the rows of expired calls; how many there were. The workers' cron job calls this each minute."""
        async with self._connection() as connection:
            return int((await connection.execute(CLEAN_UP)).removeprefix("DELETE "))

    async def close(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), ANSWER_SECONDS)
            except TimeoutError:
                pool.terminate()

    def _row(self, state: ConversationState) -> tuple[str, int, bool, float, str]:
        life = self._ttl_seconds if state.is_active else self._ended_ttl_seconds
        return state.call_sid, state.version, state.is_active, life, state.model_dump_json()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        with store_errors():
            pool = await self._open()
            async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                pool = asyncpg.create_pool(
                    self._dsn, min_size=0, max_size=MOST_CONNECTIONS, timeout=CONNECT_SECONDS,
                    command_timeout=ANSWER_SECONDS,
                )  # fmt: skip
                await pool
                try:
                    await self._make_table(pool)
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
        return self._pool

    @staticmethod
    async def _make_table(pool: asyncpg.Pool) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
            await connection.execute(SCHEMA)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what asyncpg raises into what the product waits for and repeats."""
    try:
        yield
    except (asyncpg.DiskFullError, asyncpg.OutOfMemoryError) as error:
        raise StoreFull("PostgreSQL has no room left. Give it a larger disk.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        what = type(error).__name__
        raise StoreUnavailable(
            f"PostgreSQL cannot be used ({what}). Check that it runs, and DATABASE_URL; calls are held meanwhile."
        ) from error
