"""Sheds load: while turns wait too long for a worker, new calls are refused, so that those that run go on.

How long turns wait is read in the background, and only while new calls come: a call that begins is decided at once, and
no turn's path has a round trip more. Each tenant goes by its own turns, since workers serve tenants in turns.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable

from orchestrator.errors import StoreUnavailable
from orchestrator.tasks import cancel_and_wait
from web.call_gate import STEP_SECONDS, CallGate

logger = logging.getLogger(__name__)

CHECKS_PER_LIMIT = 8
"""How often the waits are read within the time that a turn may wait."""
LEAST_CHECK_SECONDS = 0.05
MOST_CHECK_SECONDS = 0.5
WATCHED_SECONDS = 60.0
"""For how long the waits are read after the last call that would begin."""
STALE_SECONDS = 5.0
"""What was read so long ago refuses nobody: Redis may be down, and callers are held then."""

ReadWaits = Callable[[], Awaitable[dict[str, float]]]
"""Reads for how long (s) the oldest turn of each tenant has waited; "" is nobody's in particular."""


class Shedding:
    """Decides whether new calls are refused. Nothing is refused without `after_seconds`, or without `read_waits`."""

    def __init__(
        self,
        after_seconds: float | None = None,
        read_waits: ReadWaits | None = None,
        *,
        stale_seconds: float = STALE_SECONDS,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._after = after_seconds
        self._read = read_waits
        self._stale = stale_seconds
        self._step_seconds = step_seconds
        self._gates: dict[str, CallGate] = {}
        """By tenant: the gates that are closed or about to be, and those of tenants whose calls began lately."""
        self._read_at = self._asked_at = -math.inf
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_on(self) -> bool:
        """True if calls may be refused at all."""
        return self._after is not None and self._read is not None

    @property
    def longest_wait(self) -> float | None:
        """Return for how long (s) the oldest turn waits of a tenant whose new calls are refused; None: none are."""
        return max((gate.wait for gate in self._closed), default=None) if self._is_fresh else None

    def is_shedding(self, tenant: str) -> bool:
        """Return whether new calls of this tenant may be refused now. Does not wait for anything."""
        if self._after is None or self._read is None:
            return False
        self._asked_at = time.monotonic()
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(self._after, self._read), name="watch how long turns wait")
        gate = self._gates.get(tenant)
        return gate is not None and gate.is_closed and self._is_fresh

    def refuses(self, tenant: str) -> bool:
        """Return whether a call of this tenant that begins now is refused. Ask once for each call."""
        if self._after is None or self._read is None:
            return False
        is_taken = self._gates.setdefault(tenant, self._gate(self._after)).lets_in()
        return self.is_shedding(tenant) and not is_taken

    async def close(self) -> None:
        """Read no more."""
        await cancel_and_wait(self._watching)

    @property
    def _closed(self) -> list[CallGate]:
        return [gate for gate in self._gates.values() if gate.is_closed]

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at <= self._stale

    def _gate(self, after: float) -> CallGate:
        return CallGate(after, step_seconds=self._step_seconds)

    async def _watch(self, after: float, read: ReadWaits) -> None:
        pause = min(max(after / CHECKS_PER_LIMIT, LEAST_CHECK_SECONDS), MOST_CHECK_SECONDS)
        while time.monotonic() - self._asked_at < WATCHED_SECONDS:
            try:
                async with asyncio.timeout(self._stale):
                    self._note(await read(), after)
            except (StoreUnavailable, TimeoutError):
                pass  # what is known becomes stale
            except Exception:  # a bug here must not end the watch
                logger.exception("How long turns wait could not be read; report this")
            await asyncio.sleep(pause)

    def _note(self, waits: dict[str, float], after: float) -> None:
        before, now = self._closed, time.monotonic()
        self._read_at = now
        for tenant in waits.keys() | self._gates.keys():
            gate = self._gates.get(tenant) or self._gate(after)
            gate.note(waits.get(tenant, 0.0), now)
            if gate.is_idle:
                self._gates.pop(tenant, None)
            else:
                self._gates[tenant] = gate
        closed = self._closed
        if closed and not before:
            seconds = max(gate.wait for gate in closed)
            logger.warning(
                "Turns have waited for %.1f s for a worker: new calls are refused. Start more workers.", seconds,
                extra={"action": "calls.shed", "seconds": round(seconds, 3), "tenants": len(closed)},
            )  # fmt: skip
        elif before and not closed:
            logger.info("Turns do not wait any more: new calls are taken", extra={"action": "calls.taken_again"})
