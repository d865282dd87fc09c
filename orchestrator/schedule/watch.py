"""Finds the calls that have something due, and has it carried out: every worker does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import uniform

from orchestrator.errors import StoreUnavailable
from orchestrator.schedule.carrier import Carrier
from orchestrator.tasks import BackgroundTasks

logger = logging.getLogger(__name__)

MOST_CALLS = 50
"""How many calls are looked at at the same time."""
PAUSE_SECONDS = 0.05
"""The least time between two looks."""
AGAIN_SECONDS = 0.5
"""When to try again after an outage, and while nothing may be carried out here."""


class ScheduleWatch:
    """Looks at calls when they are due, and has `carrier` carry out what they have scheduled.

    `must_wait` says that nothing is carried out for now: a worker lives that does not know the turns which follow.
    """

    def __init__(self, carrier: Carrier, must_wait: Callable[[], Awaitable[bool]]) -> None:
        self._carrier = carrier
        self._must_wait = must_wait
        self._is_waiting = False
        self._looks = BackgroundTasks()
        self._looking = 0

    async def run(self) -> None:
        """Watch until cancelled, and sleep until a call is due."""
        while True:
            await self._carrier.schedule.wait_until_due()
            try:
                pause = PAUSE_SECONDS if await self._look_at_due() else AGAIN_SECONDS
            except StoreUnavailable:
                pause = AGAIN_SECONDS  # others log the outage
            except Exception:  # this task must not end: else no timer fires any more
                logger.exception("The search for what is due failed; report this", extra={"action": "schedule.failed"})
                pause = AGAIN_SECONDS
            await asyncio.sleep(uniform(1.0, 1.2) * pause)

    def look_now(self, call_sid: str) -> None:
        """Look at a call that has something due: a commit of this process has just written it."""
        self._start_look(call_sid)

    async def close(self) -> None:
        """End the looks that still run."""
        await self._looks.close()

    async def _look_at_due(self) -> bool:
        """Look at the calls that are due. Return False if nothing may be carried out here. Raise `StoreUnavailable`."""
        if await self._waits() or not any(self._carrier.room.values()):
            return False
        if (room := MOST_CALLS - self._looking) > 0:
            for call_sid in await self._carrier.schedule.due(room):
                self._start_look(call_sid)
        return True

    def _start_look(self, call_sid: str) -> None:
        """Look at a call in a task of its own: one whose server does not answer must not hold up the others."""
        self._looks.start(self._look(call_sid), f"look at the schedule of {call_sid}")

    async def _look(self, call_sid: str) -> None:
        self._looking += 1
        try:
            if not await self._waits():
                await self._carrier.look(call_sid)
        except StoreUnavailable:
            pass  # it is due again soon
        except Exception:
            logger.exception("A look at a schedule failed; report this", extra={"action": "schedule.failed"})
        finally:
            self._looking -= 1

    async def _waits(self) -> bool:
        waits = await self._must_wait()
        if waits and not self._is_waiting:
            logger.warning(
                "Timers, activities and messages wait: a worker of an older version lives, which does not know them",
                extra={"action": "schedule.waiting"},
            )
        self._is_waiting = waits
        return waits
