"""Many commands at a time over one connection: all commands of a turn take this way.

redis-py takes a connection out of its pool for each command, waits for the answer and puts the connection back: more
work than the command itself, and a cancelled wait costs the connection. Here commands are written as they
come and their answers are matched in order. The connection is made (TLS, password, database) by redis-py.
"""

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.redis.pool import RetryFor
from orchestrator.redis.resp_protocol import RespProtocol, discard

RETRY_SECONDS = 1.0
ANSWER_SECONDS = 2.0
"""How long the oldest command may wait for its answer, where the pool sets no `socket_timeout`."""
FULL_BYTES = 1 << 20
"""While more than this waits to be written, callers wait too."""
JOINED_BYTES = 1 << 16
"""When so much waits for the end of the iteration, it is written at once."""
ROOM_CHECK_SECONDS = 0.005
_ASKING = hiredis.pack_command(("ASKING",))


class CommandNotSent(RedisConnectionError):
    """The connection was lost before any byte of the command was written: it has not run."""


class MultiplexedConnection:
    """Sends commands over one connection of `pool`, which it keeps, and over a new one when that is lost.

    A command whose connection is lost is sent again, for `retry_seconds`, and at least once: it must be safe to
    repeat. `lost_answers` counts how often a command was sent whose answer was lost: it may have run, and run twice if
    it was sent again. `block_seconds` is how long a command may block the server's answer.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        *,
        retry_seconds: float = RETRY_SECONDS,
        answer_seconds: float | None = None,
        block_seconds: float = 0.0,
    ) -> None:
        self.lost_answers = 0
        self._pool = pool
        self._pipeline: _Pipeline | None = None
        self._connecting = asyncio.Lock()
        answer_seconds = answer_seconds or float(pool.connection_kwargs.get("socket_timeout") or ANSWER_SECONDS)
        self._answer_seconds = answer_seconds + block_seconds
        self._retry = RetryFor(retry_seconds, (RedisConnectionError, RedisTimeoutError, OSError))

    async def execute(self, *arguments: Any, asking: bool = False) -> Any:
        """Return what Redis answers. Raises what redis-py would raise. With `asking`, ASKING precedes the command."""
        packed = hiredis.pack_command(arguments)
        pipeline = self._pipeline
        if pipeline is not None and pipeline.is_up:
            try:
                return await self._sent_over(pipeline, packed, asking)
            except RedisConnectionError:
                pass
        return await self._retry.call_with_retry(lambda: self._execute(packed, asking), _no_recovery)

    async def _execute(self, packed: bytes, asking: bool) -> Any:
        pipeline = self._pipeline
        if pipeline is None or not pipeline.is_up:
            pipeline = await self._connected()
        return await self._sent_over(pipeline, packed, asking)

    async def _sent_over(self, pipeline: "_Pipeline", packed: bytes, asking: bool) -> Any:
        try:
            return await pipeline.execute(packed, asking)
        except CommandNotSent:
            raise
        except (RedisConnectionError, RedisTimeoutError):
            self.lost_answers += 1
            raise

    async def _connected(self) -> "_Pipeline":
        async with self._connecting:
            if self._pipeline is not None:
                if self._pipeline.is_up:
                    return self._pipeline
                pipeline, self._pipeline = self._pipeline, None
                await discard(self._pool, pipeline.connection)
            connection = await self._pool.get_connection()
            try:
                self._pipeline = _Pipeline(connection, self._answer_seconds)
            except BaseException:
                await discard(self._pool, connection)
                raise
            return self._pipeline


class _Pipeline(RespProtocol):
    """One connection, and the commands that wait for its answers."""

    def __init__(self, connection: Any, answer_seconds: float) -> None:
        super().__init__(connection)
        self.is_up = True
        self._answer_seconds = answer_seconds
        self._pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []  # as many as are pending at the end of `_pending`
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    async def execute(self, packed: bytes, asking: bool = False) -> Any:
        """Send a command and return its answer. If the caller is cancelled, the answer is dropped when it comes.

        Raise `CommandNotSent` if the connection was lost before the command was written.
        """
        if self.is_up and self._unwritten_bytes() > FULL_BYTES:
            await self._wait_for_room()
        if not self.is_up or self._transport.is_closing():
            raise CommandNotSent("the connection was lost")
        answer: asyncio.Future[Any] = self._loop.create_future()
        now = self._loop.time()
        if asking:
            ignored: asyncio.Future[Any] = self._loop.create_future()
            ignored.cancel()
            self._enqueue(ignored, _ASKING, now)
        self._enqueue(answer, packed, now)
        if self._unsent_bytes > JOINED_BYTES:
            self._write_unsent()
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._answer_seconds, self._check_timeout)
        return await answer

    def _enqueue(self, answer: "asyncio.Future[Any]", packed: bytes, now: float) -> None:
        if not self._unsent:
            self._loop.call_soon(self._write_unsent)
        self._unsent.append(packed)
        self._unsent_bytes += len(packed)
        self._pending.append((answer, now))

    def _write_unsent(self) -> None:
        """Write the commands that were sent since the last write, together."""
        if not self._unsent:
            return
        if self._transport.is_closing():
            self._fail(RedisConnectionError("the connection was lost"))
            return
        joined = b"".join(self._unsent)
        self._unsent.clear()
        self._unsent_bytes = 0
        self._transport.write(joined)

    def _unwritten_bytes(self) -> int:
        return self._unsent_bytes + self._transport.get_write_buffer_size()

    async def _wait_for_room(self) -> None:
        """Wait until the server has taken what was written. The timeout of the oldest command ends this, too."""
        while self.is_up and self._unwritten_bytes() > FULL_BYTES:
            await asyncio.sleep(ROOM_CHECK_SECONDS)

    def _check_timeout(self) -> None:
        """Drop the connection when the oldest command has waited too long for its answer."""
        self._timer = None
        if not self._pending:
            return
        due = self._pending[0][1] + self._answer_seconds
        if self._loop.time() >= due:
            self._fail(RedisTimeoutError("Timeout reading from Redis"))
        else:
            self._timer = self._loop.call_at(due, self._check_timeout)

    def _received(self, answer: Any) -> None:
        if len(self._pending) <= len(self._unsent):
            raise RedisConnectionError("an answer came that no command waits for")
        future, _ = self._pending.popleft()
        if future.done():
            return
        if isinstance(answer, Exception):
            future.set_exception(answer)
            if isinstance(answer, (RedisConnectionError, ReadOnlyError)):
                self._fail(RedisConnectionError(str(answer)))  # connect again: this server is not the master any more
        else:
            future.set_result(answer)

    def close(self, error: Exception) -> None:
        """Leave the connection. Raise `error` where a command waits."""
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.is_up = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, deque()
        sent = len(pending) - len(self._unsent)
        self._unsent.clear()
        self._unsent_bytes = 0
        for place, (future, _) in enumerate(pending):
            if not future.done():
                future.set_exception(error if place < sent else CommandNotSent(str(error)))
        self._transport.abort()


async def _no_recovery(_: Any) -> None:
    """Do nothing: the next attempt connects again by itself."""
