"""Many commands at a time over one connection: what the path of every turn goes over.

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

RETRY_SECONDS = 1.0
FULL_BYTES = 1 << 20
"""When so much waits to be written, callers wait as well."""
_MORE = object()
_ASKING = hiredis.pack_command(("ASKING",))


class Wire:
    """Sends commands over a connection of `pool`, which it keeps, and over a new one when that is lost.

    A command whose connection is lost is sent again, for `retry_seconds`, and once at least: it must be safe to
    repeat. `lost_answers` counts how often that was so, for whom it matters that a command may have run twice.
    """

    def __init__(self, pool: ConnectionPool, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.lost_answers = 0
        self._pool = pool
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()
        self._answer_seconds = float(pool.connection_kwargs.get("socket_timeout") or 2.0)
        self._retry = RetryFor(retry_seconds, (RedisConnectionError, RedisTimeoutError, OSError))

    async def command(self, *arguments: Any, asking: bool = False) -> Any:
        """What Redis answers. Raises what redis-py would raise. With `asking`, ASKING goes before the command."""
        packed = hiredis.pack_command(arguments)
        link = self._link
        if link is not None and link.is_up:
            try:
                return await link.ask(packed, asking)
            except RedisConnectionError:
                self.lost_answers += 1
        return await self._retry.call_with_retry(lambda: self._ask(packed, asking), _go_on)

    async def _ask(self, packed: bytes, asking: bool) -> Any:
        link = self._link
        if link is None or not link.is_up:
            link = await self._connected()
        try:
            return await link.ask(packed, asking)
        except RedisConnectionError:
            self.lost_answers += 1
            raise

    async def _connected(self) -> "_Link":
        async with self._connecting:
            if self._link is not None:
                if self._link.is_up:
                    return self._link
                link, self._link = self._link, None
                await self._give_back(link.connection)
            connection = await self._pool.get_connection()
            try:
                self._link = _Link(connection, self._answer_seconds)
            except BaseException:
                await self._give_back(connection)
                raise
            return self._link

    async def _give_back(self, connection: Any) -> None:
        try:
            await connection.disconnect(nowait=True)
        finally:
            await self._pool.release(connection)


class _Link(asyncio.Protocol):
    """One connection, taken over from redis-py once it is set up."""

    def __init__(self, connection: Any, answer_seconds: float) -> None:
        self.connection = connection
        self.is_up = True
        self._loop = asyncio.get_running_loop()
        self._answer_seconds = answer_seconds
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader(
            protocolError=RedisConnectionError, replyError=connection._parser.parse_error, notEnoughData=_MORE
        )
        self._transport: asyncio.Transport = connection._writer.transport
        self._former = self._transport.get_protocol()
        self._transport.set_protocol(self)
        if self._transport.is_closing():
            raise RedisConnectionError("the connection was closed as soon as it was made")

    async def ask(self, packed: bytes, asking: bool = False) -> Any:
        """Send a command and wait for its answer; a caller who is cancelled leaves the answer to be dropped."""
        if self.is_up and self._transport.get_write_buffer_size() > FULL_BYTES:
            await self._room()
        if not self.is_up or self._transport.is_closing():
            raise RedisConnectionError("the connection was lost")
        answer: asyncio.Future[Any] = self._loop.create_future()
        now = self._loop.time()
        if asking:
            ignored: asyncio.Future[Any] = self._loop.create_future()
            ignored.cancel()
            self._waiting.append((ignored, now))
            packed = _ASKING + packed
        self._waiting.append((answer, now))
        self._transport.write(packed)
        if self._watch is None:
            self._watch = self._loop.call_at(now + self._answer_seconds, self._look)
        return await answer

    async def _room(self) -> None:
        """Wait for the server to take what was written. The watch ends this, too."""
        while self.is_up and self._transport.get_write_buffer_size() > FULL_BYTES:
            await asyncio.sleep(0.005)

    def _look(self) -> None:
        """Give the connection up when the oldest command has waited too long for its answer."""
        self._watch = None
        if not self._waiting:
            return
        due = self._waiting[0][1] + self._answer_seconds
        if self._loop.time() >= due:
            self._lose(RedisTimeoutError("Timeout reading from Redis"))
        else:
            self._watch = self._loop.call_at(due, self._look)

    def data_received(self, data: bytes) -> None:
        """Match the answers with those who wait for them."""
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _MORE:
                self._answer(answer)
        except RedisConnectionError as error:  # no RESP: whatever follows cannot be understood
            self._lose(error)

    def _answer(self, answer: Any) -> None:
        if not self._waiting:
            raise RedisConnectionError("an answer came that nobody waits for")
        future, _ = self._waiting.popleft()
        if future.done():
            return
        if isinstance(answer, Exception):
            future.set_exception(answer)
            if isinstance(answer, (RedisConnectionError, ReadOnlyError)):
                self._lose(RedisConnectionError(str(answer)))  # this server is not the one to talk to any more
        else:
            future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait; and the former protocol, which redis-py asks when it closes."""
        self._former.connection_lost(exc)
        self._lose(RedisConnectionError(f"the connection was lost: {exc}" if exc else "closed by server"))

    def eof_received(self) -> bool:
        """Close."""
        return False

    def _lose(self, error: Exception) -> None:
        self.is_up = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if not future.done():
                future.set_exception(error)
        self._transport.abort()


async def _go_on(_: Any) -> None:
    """Between two tries there is nothing to do."""
