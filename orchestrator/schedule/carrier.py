"""Carries out scheduled items: claims what is due, has its kind's handler do it, and renews the leases meanwhile."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator import clock, error_logging
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import StoreUnavailable, UnreadableSeal
from orchestrator.schedule.schedule import LEASE_SECONDS, ItemLease, Schedule, ScheduledRun
from orchestrator.schedule.sealed_items import opened_item
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""How long an item waits whose handler raised what it should not."""
UNREADABLE_PAUSE_SECONDS = 1.0
"""How long an item is kept that this process cannot open, before it is left to others."""
RELEASE_SECONDS = 2.0
"""How long the leases may take to be given back when the process ends."""
CANCELLED, LOST, DRAINED = "cancelled", "lost", "drained"
"""Why a handler is cancelled, as the message of its `CancelledError`."""


class ItemHandler(Protocol):
    """Does what the items of one kind ask for."""

    @property
    def room(self) -> int:
        """How many more items may be begun now."""

    async def carry_out(self, run: ScheduledRun) -> None:
        """Do it, then `settle` or `fail` the run.

        After `StoreUnavailable`, whoever claims the item next repeats it. It is cancelled with the message `CANCELLED`
        (the item is not to be carried out any more), `LOST` (another process has the item) or `DRAINED` (the process
        ends; the lease is given back).
        """


class Carrier:
    """Carries out what calls have scheduled. `handlers` do it, by kind of item; other kinds are left to others.

    `holder` is a name that no other process has. `sensitive` is the cipher of sensitive turns: the fields of an item
    that repeat what one brought are opened for its handler.
    """

    def __init__(
        self,
        schedule: Schedule,
        handlers: Mapping[str, ItemHandler],
        holder: str,
        *,
        sensitive: Cipher | None = None,
    ) -> None:
        self._sensitive = sensitive
        self.schedule = schedule
        self._handlers = handlers
        self._holder = holder
        self._running: dict[ItemLease, _Running] = {}
        self._left_at = 0.0
        self._renewing: asyncio.Task[None] | None = None

    @property
    def room(self) -> dict[str, int]:
        """How many more items of each kind can be begun now."""
        return {} if self._left_at else {kind: handler.room for kind, handler in self._handlers.items()}

    @property
    def is_idle(self) -> bool:
        """True if nothing is carried out here."""
        return not self._running

    async def look(self, call_sid: str) -> None:
        """Claim what the call has due and begin to carry it out. Raise `StoreUnavailable`."""
        for run in await self.schedule.claim(call_sid, self._holder, self.room):
            self.start(run)

    def start(self, run: ScheduledRun) -> None:
        """Carry out what was claimed, in a task of its own."""
        running = self._running[run.lease] = _Running(run)
        running.task = asyncio.create_task(self._tolerating_errors(run), name=f"carry out {run.item.item_id}")
        running.task.add_done_callback(lambda _: self._running.pop(run.lease, None))
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_leases(), name="renew the leases of scheduled items")

    def leave(self) -> None:
        """Begin nothing more: the process drains."""
        self._left_at = self._left_at or asyncio.get_running_loop().time()

    async def close(self, drain_seconds: float) -> None:
        """Let what runs finish until `drain_seconds` after `leave`, cancel the rest, and give its leases back."""
        self.leave()
        drain_seconds -= asyncio.get_running_loop().time() - self._left_at
        tasks = [running.task for running in self._running.values() if running.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, drain_seconds))
        left = list(self._running.values())
        for running in left:
            running.stop(DRAINED)
        if stopped := [running.task for running in left if running.task is not None]:
            await asyncio.wait(stopped, timeout=RELEASE_SECONDS)
        await cancel_and_wait(self._renewing)
        if left:
            release = asyncio.ensure_future(self.schedule.release([running.run for running in left]))
            await asyncio.wait({release}, timeout=RELEASE_SECONDS)  # what is not released runs out
            await cancel_and_wait(release)

    async def _tolerating_errors(self, run: ScheduledRun) -> None:
        extra = {"call_sid": run.lease.call_sid, "item": run.item.item_id}
        try:
            await self._handlers[run.item.kind].carry_out(replace(run, item=opened_item(run.item, self._sensitive)))
        except StoreUnavailable:
            pass  # its lease runs out, and whoever claims it next repeats it
        except UnreadableSeal as error:  # another process may have the key
            logger.error(
                "What a call had scheduled repeats what a sensitive turn brought, and cannot be opened here: %s", error,
                extra={"action": "schedule.unreadable", **extra},
            )  # fmt: skip
            await asyncio.sleep(UNREADABLE_PAUSE_SECONDS)
            with suppress(StoreUnavailable):
                await self.schedule.release([run])
        except Exception as error:
            message = "What a call had scheduled could not be carried out; report this: %s"
            error_logging.log(logging.ERROR, logger, message, error=error, extra={"action": "schedule.failed", **extra})
            await self._fail(run)

    async def _fail(self, run: ScheduledRun) -> None:
        with suppress(StoreUnavailable):  # its lease runs out
            await self.schedule.fail(run, clock.now() + RETRY_SECONDS)

    async def _renew_leases(self) -> None:
        """Renew while anything runs."""
        while self._running:
            await asyncio.sleep(LEASE_SECONDS / 4)
            try:
                lost = await self.schedule.renew(list(self._running)) if self._running else []
            except StoreUnavailable:
                continue  # an expired lease is good until another process is granted one
            except Exception:
                logger.exception(
                    "Scheduled items could not be renewed; report this", extra={"action": "schedule.failed"}
                )
                continue
            for one in lost:
                if (running := self._running.get(one.lease)) is not None:
                    running.stop(CANCELLED if one.is_cancelled else LOST)


@dataclass(slots=True, eq=False)
class _Running:
    """An item that is carried out here."""

    run: ScheduledRun
    task: "asyncio.Task[None] | None" = None

    def stop(self, why: str) -> None:
        if self.task is not None:
            self.task.cancel(why)
