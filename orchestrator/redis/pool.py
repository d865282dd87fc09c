"""What redis-py lacks under load and faults: a pool that queues callers, and retries limited by time."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

T = TypeVar("T")


class QueueingPool(ConnectionPool):
    """A pool whose callers wait for a free connection, up to `queue_seconds`.

    redis-py's BlockingConnectionPool takes a lock to return a connection: a task that is cancelled there never
    returns it. Here, returning a connection never waits.
    """

    def __init__(self, *, max_connections: int, queue_seconds: float, **options: Any) -> None:
        super().__init__(max_connections=max_connections, **options)
        self._queue_seconds = queue_seconds
        self._slots = asyncio.Semaphore(max_connections)
        self.multiplexed: Any = None  # what `sender_for` sends over; made when it is first asked for

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """Return a connection that is connected. Raises redis-py's `ConnectionError` if none becomes free in time."""
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
            await self._return_connection(connection)
            raise
        return connection

    async def release(self, connection: Any) -> None:
        """Take a connection back."""
        try:
            await super().release(connection)
        finally:
            self._slots.release()

    async def _return_connection(self, connection: Any) -> None:
        if connection is None:
            self._slots.release()
        else:
            await self.release(connection)


class RetryFor(Retry):
    """Retries until `seconds` after the first failure, with growing pauses.

    The limit is a time and not a count: redis-py retries a command and, inside that, each connect; counts multiply.
    """

    def __init__(self, seconds: float, errors: tuple[type[Exception], ...]) -> None:
        super().__init__(ExponentialWithJitterBackoff(cap=0.5, base=0.02), -1, errors)  # type: ignore[arg-type]
        self.seconds = seconds

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Callable[[Any], Any]) -> T:
        """Return what `do()` returns. Await `fail(error)` after each failure; it may raise the error."""
        deadline: float | None = None
        for failures in itertools.count(1):
            try:
                return await do()
            except self._supported_errors as error:
                now = time.monotonic()
                deadline = now + self.seconds if deadline is None else deadline
                await fail(error)
                if now >= deadline or isinstance(error, AuthenticationError):
                    raise
            await asyncio.sleep(self._backoff.compute(failures))
        raise AssertionError("unreachable")
