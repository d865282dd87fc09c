"""The circuit breaker: while Redis is away, nobody waits for it; one task asks whether it is back."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from orchestrator.errors import StoreDamaged, StoreFull, StoreUnavailable, StoreUnconfirmed
from orchestrator.redis.errors import explain
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

TRIPS_AFTER = 3
"""So many failures in a row open the breaker: one may be a connection that was cut."""
PROBE_EVERY_SECONDS = 0.25
LONGEST_PROBE_PAUSE_SECONDS = 5.0
"""The pause between two probes while they succeed and the work that follows them fails: it doubles up to this."""
FALSE_RETURN_SECONDS = 10.0
"""Redis that fails so soon after a probe had succeeded, and nothing else since, was not back."""
PROBE_SECONDS = 2.0
PATIENCE_AT_START_SECONDS = 10.0
"""A Redis that this process never reached is waited for this long before calls begin in memory. A process that is
started again during a short outage would otherwise fork calls that the others go on with in Redis."""


class Breaker:
    """One per process. A context manager; entering probes once, so that its state is known.

    `probe` raises `StoreUnavailable` when Redis does not do what the product needs. `reached` tells whether it ever did
    since the start, `given_up` that it did not for longer than `patience_at_start`.
    """

    def __init__(
        self, probe: Callable[[], Awaitable[None]], *, patience_at_start: float = PATIENCE_AT_START_SECONDS
    ) -> None:
        self.is_open = False
        self.reached = False
        self.given_up = False
        self.reason = ""
        self._on_close: list[Callable[[], None]] = []
        self._probe = probe
        self._give_up_at = asyncio.get_running_loop().time() + patience_at_start
        self._failures = 0
        self._failed_at = self._unconfirmed_at = -math.inf
        self._opened = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._has_worked = True  # since it was closed last
        self._closed_at = -math.inf
        self._false_returns = 0
        self._is_reported_away = False

    @property
    def seconds_since_failure(self) -> float:
        """How long ago Redis was last seen to be away; infinite if it never was."""
        return asyncio.get_running_loop().time() - self._failed_at

    @property
    def seconds_since_unconfirmed(self) -> float:
        """How long ago it was last seen to be left by its replicas, and to hold replies back; infinite if never."""
        return asyncio.get_running_loop().time() - self._unconfirmed_at

    async def __aenter__(self) -> "Breaker":
        try:
            await self._ask()
        except StoreUnavailable as error:
            self._open(error)
        self._watch = asyncio.create_task(self._wait_for_redis(), name="circuit breaker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._watch, seconds=PROBE_SECONDS)

    def call_on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time a probe finds that Redis is up again."""
        self._on_close.append(callback)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one access to Redis: refused at once while open; its outcome is counted."""
        if self.is_open:
            raise StoreUnavailable(self.reason)
        try:
            yield
        except (StoreFull, StoreDamaged):  # it answers, after all
            self._worked()
            raise
        except StoreUnconfirmed:  # and so it does here, though what it says may be taken back
            self._failures, self._unconfirmed_at = 0, asyncio.get_running_loop().time()
            self._worked()
            raise
        except StoreUnavailable as error:
            self._failures += 1
            self._failed_at = asyncio.get_running_loop().time()
            if self._failures >= TRIPS_AFTER:
                self._open(error)
            raise
        else:
            self._failures = 0
            self._worked()

    async def _ask(self) -> None:
        """Probe. Raises `StoreUnavailable`, whatever went wrong: nothing that Redis does may end this process."""
        try:
            async with asyncio.timeout(PROBE_SECONDS * 2):
                await self._probe()
        except StoreUnavailable:
            raise
        except TimeoutError as error:
            raise StoreUnavailable(explain(error)) from None
        except Exception as error:
            logger.exception("The probe of Redis failed in an unexpected way; report this")
            raise StoreUnavailable(explain(error)) from error
        self.reached, self.given_up = True, False

    def _open(self, error: StoreUnavailable) -> None:
        if self.is_open:
            return
        self.is_open = True
        self.reason = str(error)
        self._opened.set()
        was_back = self._has_worked or asyncio.get_running_loop().time() - self._closed_at > FALSE_RETURN_SECONDS
        self._false_returns = 0 if was_back else self._false_returns + 1
        if not self._is_reported_away:
            self._is_reported_away = True
            logger.warning(
                "Redis is away: %s Until it is back, calls are held.", self.reason, extra={"action": "redis.down"}
            )

    def _give_up(self) -> None:
        if self.reached or self.given_up or asyncio.get_running_loop().time() < self._give_up_at:
            return
        self.given_up = True
        logger.warning(
            "Redis was not there since the start: %s Until it is, calls run in this process, IN MEMORY.", self.reason,
            extra={"action": "redis.start_timed_out"},
        )  # fmt: skip

    async def _wait_for_redis(self) -> None:
        while True:
            await self._opened.wait()
            pause = PROBE_EVERY_SECONDS * 2 ** min(self._false_returns, 10)
            await asyncio.sleep(min(pause, LONGEST_PROBE_PAUSE_SECONDS))
            try:
                await self._ask()
            except StoreUnavailable:
                self._failed_at = asyncio.get_running_loop().time()
                self._give_up()
                continue
            self._close()

    def _close(self) -> None:
        self.is_open, self._failures, self._has_worked = False, 0, False
        self._closed_at = asyncio.get_running_loop().time()
        self._opened.clear()
        if not self._false_returns:
            self._report_back()
        for callback in self._on_close:
            callback()

    def _worked(self) -> None:
        """Something was done in Redis. After a probe that promised too much, only this says that it is back."""
        self._has_worked = True
        self._report_back()

    def _report_back(self) -> None:
        if self._is_reported_away:
            self._is_reported_away = False
            logger.info("Redis is back", extra={"action": "redis.up"})
