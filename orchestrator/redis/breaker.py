"""The circuit breaker: while Redis is down, every access fails at once, and one task probes until Redis is up again."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from orchestrator.errors import StoreDamaged, StoreFull, StoreUnavailable, StoreUnconfirmed
from orchestrator.process_metrics import catalog
from orchestrator.redis.errors import explain
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

TRIPS_AFTER = 3
"""How many failures in a row open the breaker: a single one may be a connection that was cut."""


@dataclass(frozen=True, slots=True)
class BreakerTimings:
    """How long the breaker waits, in seconds."""

    start: float = 10.0
    """For a Redis that this process never reached, before calls begin in memory. A process that is restarted during a
    short outage would otherwise begin calls a second time that other processes continue in Redis."""
    probe: float = 4.0
    """For a probe to succeed or fail."""
    pause: float = 0.25
    """Between two probes."""
    max_pause: float = 5.0
    """Between two probes while these succeed and the accesses after them fail: the pause doubles up to this."""
    false_recovery: float = 10.0
    """A Redis that fails within this time after a successful probe, without any other success, was never up."""


class _Guard:
    """Guards accesses to Redis, any number at once. A class, as each access enters it: a generator costs more."""

    def __init__(self, breaker: "Breaker") -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        self._breaker.check()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._breaker.note(error)


class Breaker:
    """One per process. A context manager: entering probes once, so that the state is known from the beginning.

    `probe` raises `StoreUnavailable` when Redis does not do what the product needs. `reached` is True if a probe has
    succeeded since the start, `start_timed_out` if none has for `timings.start`.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]], *, timings: BreakerTimings | None = None) -> None:
        self.is_open = False
        self.reached = False
        self.start_timed_out = False
        self.reason = ""
        self._on_close: list[Callable[[], None]] = []
        self._probe = probe
        self._timings = timings or BreakerTimings()
        self._start_deadline = asyncio.get_running_loop().time() + self._timings.start
        self._failures = 0
        self._failed_at = self._unconfirmed_at = -math.inf
        self._opened = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._has_succeeded = True  # since the breaker was closed last
        self._closed_at = -math.inf
        self._false_recoveries = 0
        self._is_reported_down = False
        self._guarded = _Guard(self)

    @property
    def seconds_since_failure(self) -> float:
        """How long ago an access to Redis failed last; infinite if none ever did."""
        return asyncio.get_running_loop().time() - self._failed_at

    @property
    def seconds_since_unconfirmed(self) -> float:
        """How long ago replicas last failed to confirm a write, so that replies were held; infinite if never."""
        return asyncio.get_running_loop().time() - self._unconfirmed_at

    async def __aenter__(self) -> "Breaker":
        try:
            await self._probe_once()
        except StoreUnavailable as error:
            self._open(error)
        self._probing = asyncio.create_task(self._probe_while_open(), name="circuit breaker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._probing)

    def call_on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time a probe finds that Redis is up again."""
        self._on_close.append(callback)

    def guard(self) -> AbstractContextManager[None]:
        """Guard one access to Redis: refuse it at once while the breaker is open, else count its outcome.

        Entering it raises `StoreUnavailable` while open.
        """
        return self._guarded

    def check(self) -> None:
        """Raise `StoreUnavailable` while the breaker is open."""
        if self.is_open:
            raise StoreUnavailable(self.reason)

    def note(self, error: BaseException | None) -> None:
        """Count the outcome of an access to Redis: the error that it raised, or None."""
        if error is None:
            self._failures = 0
            self._succeeded()
        elif isinstance(error, StoreFull | StoreDamaged):  # Redis did answer
            self._succeeded()
        elif isinstance(error, StoreUnconfirmed):  # Redis did answer, though a failover may undo what it has written
            self._failures, self._unconfirmed_at = 0, asyncio.get_running_loop().time()
            self._succeeded()
        elif isinstance(error, StoreUnavailable):
            self._failures += 1
            self._failed_at = asyncio.get_running_loop().time()
            if self._failures >= TRIPS_AFTER:
                self._open(error)

    async def _probe_once(self) -> None:
        """Raise `StoreUnavailable` however the probe fails: nothing that Redis does may end this process."""
        try:
            async with asyncio.timeout(self._timings.probe):
                await self._probe()
        except StoreUnavailable:
            raise
        except TimeoutError as error:
            raise StoreUnavailable(explain(error)) from None
        except Exception as error:
            logger.exception("The probe of Redis failed in an unexpected way; report this")
            raise StoreUnavailable(explain(error)) from error
        self.reached, self.start_timed_out = True, False

    def _open(self, error: StoreUnavailable) -> None:
        if self.is_open:
            return
        self.is_open = True
        self.reason = str(error)
        self._opened.set()
        seconds_closed = asyncio.get_running_loop().time() - self._closed_at
        was_up = self._has_succeeded or seconds_closed > self._timings.false_recovery
        self._false_recoveries = 0 if was_up else self._false_recoveries + 1
        if not self._is_reported_down:
            self._is_reported_down = True
            catalog.REDIS_OUTAGES.inc()
            logger.warning(
                "Redis is down: %s Calls are held until it is up again.", self.reason, extra={"action": "redis.down"}
            )

    def _check_start_timeout(self) -> None:
        if self.reached or self.start_timed_out or asyncio.get_running_loop().time() < self._start_deadline:
            return
        self.start_timed_out = True
        logger.warning(
            "Redis has been down since this process started: %s Until it is up, calls run in this process, IN MEMORY.",
            self.reason, extra={"action": "redis.start_timed_out"},
        )  # fmt: skip

    async def _probe_while_open(self) -> None:
        while True:
            await self._opened.wait()
            pause = self._timings.pause * 2 ** min(self._false_recoveries, 10)
            await asyncio.sleep(min(pause, self._timings.max_pause))
            try:
                await self._probe_once()
            except StoreUnavailable:
                self._failed_at = asyncio.get_running_loop().time()
                self._check_start_timeout()
                continue
            self._close()

    def _close(self) -> None:
        self.is_open, self._failures, self._has_succeeded = False, 0, False
        self._closed_at = asyncio.get_running_loop().time()
        self._opened.clear()
        if not self._false_recoveries:
            self._report_up()
        for callback in self._on_close:
            callback()

    def _succeeded(self) -> None:
        """Redis did something for a caller. After false recoveries only this proves that it is up, not the probe."""
        self._has_succeeded = True
        self._report_up()

    def _report_up(self) -> None:
        if self._is_reported_down:
            self._is_reported_down = False
            logger.info("Redis is up again", extra={"action": "redis.up"})
