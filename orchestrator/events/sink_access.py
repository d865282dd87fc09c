"""How often each sink is asked: a sink that is slow, or takes nothing, must not hold up the others."""

import asyncio
import logging
from random import uniform

from orchestrator import clock
from orchestrator.events.sinks.sink import Sink

logger = logging.getLogger(__name__)

FAILS_AFTER = 5
"""After so many failures in a row, of whatever calls, the sink counts as down: it is asked by few calls at once."""
MOST_WHILE_DOWN = 2
WAIT_SECONDS = 1.0
"""How long an event waits for one of the sink's other deliveries to end. Then it is put off."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""What is put off comes back between these times; a sink that is down for long is asked less often."""


class SinkAccess:
    """Lets at most `most` deliveries use a sink at once, and knows whether it works.

    `fingerprint` is that of its address. `stopped` says why it wants no event any more, "" if it does.
    """

    def __init__(self, name: str, sink: Sink, *, most: int, fingerprint: str = "") -> None:
        self.name = name
        self.sink = sink
        self.fingerprint = fingerprint
        self.stopped = ""
        self._most = most
        self._slots = asyncio.Semaphore(most)
        self._running = 0
        self._failures = 0
        self._down_since = 0.0
        self._left_alone_until = 0.0
        self._freed_at = 0.0
        self._seconds = 0.0  # of an attempt, lately
        self._next_turn = 0.0  # when the next event that is put off has its turn

    @property
    def is_down(self) -> bool:
        """True if the sink has taken nothing for several attempts."""
        return self._failures >= FAILS_AFTER

    async def enter(self) -> bool:
        """Return True once the sink may be asked: `leave` then. False: put the event off, its time has not come."""
        if not self._may_enter() or (self._slots.locked() and self._hangs()):
            return False
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            return False
        if not self._may_enter():  # it went down meanwhile
            self._slots.release()
            return False
        if self._running == 0:
            self._freed_at = asyncio.get_running_loop().time()
        self._running += 1
        return True

    def leave(self, seconds: float) -> None:
        """End a delivery that took so many seconds."""
        self._seconds += (seconds - self._seconds) / 4
        self._freed_at = asyncio.get_running_loop().time()
        self._running -= 1
        self._slots.release()

    def _hangs(self) -> bool:
        """True if none of the sink's deliveries has ended for a while: who waits for that would wait longer."""
        return asyncio.get_running_loop().time() - self._freed_at > WAIT_SECONDS

    def _may_enter(self) -> bool:
        if self._left_alone_until > clock.now():
            return False
        return not self.is_down or self._running < MOST_WHILE_DOWN

    def next_attempt_at(self) -> float:
        """Return when an event that could not be delivered now is to be tried (Unix seconds).

        While the sink is up but busy, events have their turns one after the other, as fast as the sink takes them:
        thousands of them would otherwise all come back at once.
        """
        now = clock.now()
        if self._left_alone_until > now:
            return self._left_alone_until + uniform(0, FIRST_PAUSE_SECONDS)
        if self.is_down:
            pause = min(max((now - self._down_since) / 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            return now + pause * uniform(0.8, 1.2)
        self._next_turn = max(self._next_turn, now + WAIT_SECONDS) + max(self._seconds, WAIT_SECONDS) / self._most
        return min(self._next_turn, now + LONGEST_PAUSE_SECONDS)

    def worked(self) -> None:
        """Note that the sink answered as it should."""
        if self.is_down:
            logger.info("A sink takes events again", extra={"action": "event.sink_up", "sink": self.name})
        self._failures = 0

    def failed(self, error: str, call_sid: str, left_alone_seconds: float | None) -> None:
        """Note that the sink did not take an event, and for how long it asked to be left alone."""
        now = clock.now()
        if self._failures == 0:
            self._down_since = now
            extra = {"action": "event.delivery_failed", "sink": self.name, "call_sid": call_sid}
            logger.warning("An event was not delivered and is tried again: %s", error, extra=extra)
        self._failures += 1
        if left_alone_seconds is not None:
            self._left_alone_until = now + min(left_alone_seconds, LONGEST_PAUSE_SECONDS)
