"""What redis-py lacks under load and faults: a pool that queues and a retry by time."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

T = TypeVar("T")

ASK_AGAIN_SECONDS = 0.5
"""How often a pool that is used asks the Sentinels who is the master."""


class QueueingPool(ConnectionPool):
    """A pool that makes callers wait for a connection, up to `queue_seconds`.

    redis-py's BlockingConnectionPool takes a lock to give a connection back: a task that is cancelled
    there keeps it for ever. Here, giving back never waits.
    """

    def __init__(self, *, max_connections: int, queue_seconds: float, **options: Any) -> None:
        super().__init__(max_connections=max_connections, **options)
        self._queue_seconds = queue_seconds
        self._slots = asyncio.Semaphore(max_connections)
        self.wire: Any = None  # the one of this pool, once somebody wants it

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """A connection that is connected."""
        try:
            async with asyncio.timeout(self._queue_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise RedisConnectionError(f"no free connection in {self._queue_seconds:g} s") from None
        connection: Any = None
        try:
            connection = self.get_available_connection()  # type: ignore[no-untyped-call]
            await self.ensure_connection(connection)
        except BaseException:
            await self._give_up(connection)
            raise
        return connection

    async def release(self, connection: Any) -> None:
        """Take a connection back."""
        try:
            await super().release(connection)
        finally:
            self._slots.release()

    async def _give_up(self, connection: Any) -> None:
        if connection is None:
            self._slots.release()
        else:
            await self.release(connection)


class SentinelPool(SentinelConnectionPool, QueueingPool):
    """The same for the master that Sentinels name; closing it closes the connections to the Sentinels too.

    Who was the master may go on believing it for seconds after a planned failover or a partition, and take writes that
    will be lost. So a pool in use asks the Sentinels twice a second, and leaves a master that they no longer name.
    """

    _asked_at = 0.0

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """A connection to the master."""
        now = time.monotonic()
        if self.master_address is not None and now - self._asked_at > ASK_AGAIN_SECONDS:
            self._asked_at = now
            with contextlib.suppress(RedisError, OSError, TimeoutError):  # without Sentinels, the master goes on
                await self.get_master_address()
        return await super().get_connection(command_name, *keys, **options)

    async def get_master_address(self) -> Any:
        """Where the master is. Connections that wait to be used are closed when it has moved.

        In a failover the Sentinels list the old master until the last replica follows the new one; asked for the
        address by name, they give the new one as soon as there is one. Raises `MasterNotFoundError`.
        """
        former = self.master_address
        try:
            address = await self.sentinel_manager.discover_master(self.service_name)
        except MasterNotFoundError:
            address = await self._promoted()
            if former is None or address in (None, former):
                raise
        else:
            address = await self._promoted() or address
        if address != former:
            self.master_address = address
            await self.disconnect(inuse_connections=False)
        return address

    async def _promoted(self) -> Any:
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            first = self.sentinel_manager.sentinels[0]  # the one that answered last
            return await first.sentinel_get_master_addr_by_name(self.service_name)
        return None

    async def release(self, connection: Any) -> None:
        """Take a connection back; one to a former master is closed, and goes to the present one when it is used."""
        try:
            if (connection.host, connection.port) != self.master_address:
                await connection.disconnect(nowait=True)
        finally:
            await super().release(connection)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close connections: all, or (after a failover) the idle ones."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


class RetryFor(Retry):
    """Tries again until some seconds after the first failure, with growing pauses.

    By time and not by count: redis-py retries a command and, inside of that, each connect; counts multiply.
    """

    def __init__(self, seconds: float, errors: tuple[type[Exception], ...]) -> None:
        super().__init__(ExponentialWithJitterBackoff(cap=0.5, base=0.02), -1, errors)  # type: ignore[arg-type]
        self._seconds = seconds

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Callable[[Any], Any]) -> T:
        """What `do()` gives; `fail` is told of each error and may raise it."""
        deadline: float | None = None
        for failures in itertools.count(1):
            try:
                return await do()
            except self._supported_errors as error:
                now = time.monotonic()
                deadline = now + self._seconds if deadline is None else deadline
                await fail(error)
                if now >= deadline or isinstance(error, AuthenticationError):
                    raise
            await asyncio.sleep(self._backoff.compute(failures))
        raise AssertionError("unreachable")
