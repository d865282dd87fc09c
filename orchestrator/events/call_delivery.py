"""Delivers the events of one call, under one lease: its sinks at the same time, the events of each in order."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.errors import VoiceAgentError
from orchestrator.events.attempt import Failures, attempt, retry_unattempted, retry_unreadable, settlement_of
from orchestrator.events.outbox import Delivery, DeliveryLease, Entry, Outbox, Settlement, SinkQueue
from orchestrator.events.sink_access import SinkAccess
from orchestrator.events.sinks.sink import DELIVERY_SECONDS, EventRefused, SinkGone, TryLater
from orchestrator.events.stopped_sinks import StoppedSinks
from orchestrator.process_metrics import catalog
from orchestrator.retrying import until_deadline
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryTimings:
    """How long to wait, in seconds."""

    attempt: float = DELIVERY_SECONDS
    settle: float = 2.0
    """To write what became of a delivery: if it is not written, the event is delivered once more."""
    again: float = 2.0
    """Until what came up for a call's other sinks is claimed, while one of its sinks hangs."""
    drain: float = 5.0
    """For running attempts to finish when the process ends."""
    release: float = 2.0
    """For leases to be given back then."""


class LeaseLost(VoiceAgentError):
    """Another process delivers the events of this call now."""


class CallDelivery:
    """Delivers one call's events until there are no more; `accesses` are the sinks, by name.

    `is_closing` tells whether the process ends: then no further attempt is begun.
    """

    def __init__(
        self,
        outbox: Outbox,
        accesses: Mapping[str, SinkAccess],
        stopped: StoppedSinks,
        *,
        timings: DeliveryTimings,
        is_closing: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._accesses = accesses
        self._stopped = stopped
        self._timings = timings
        self._is_closing = is_closing

    async def deliver(self, delivery: Delivery) -> None:
        """Deliver what was claimed and what comes up meanwhile, then release. Raise `LeaseLost`, `StoreUnavailable`."""
        lease = delivery.lease
        running: dict[str, asyncio.Task[None]] = {}
        found: Delivery | None = delivery
        try:
            while True:
                self._start(lease, found, running)
                if not running:
                    break
                await asyncio.wait(running.values(), timeout=self._timings.again)
                for sink in [sink for sink, task in running.items() if task.done()]:
                    running.pop(sink).result()
                found = await self._claim(lease) if len(running) < len(self._accesses) else None
        finally:
            await cancel_and_wait(*running.values())
        await self._outbox.release(lease)

    def _start(self, lease: DeliveryLease, found: Delivery | None, running: dict[str, asyncio.Task[None]]) -> None:
        if found is None or self._is_closing():
            return
        for queue in found.queues:
            if queue.sink not in running and queue.sink in self._accesses:
                name = f"deliver {lease.call_sid} to {queue.sink}"
                running[queue.sink] = asyncio.create_task(self._deliver_queue(lease, queue), name=name)

    async def _claim(self, lease: DeliveryLease) -> Delivery | None:
        if self._is_closing():
            return None
        found = await self._outbox.claim(lease.call_sid, lease.holder)
        if found is not None and found.lease != lease:  # it was lost, and nobody has it any more
            await self._outbox.release(found.lease)
            raise LeaseLost
        return found

    async def _deliver_queue(self, lease: DeliveryLease, queue: SinkQueue) -> None:
        access = self._accesses[queue.sink]
        failures = Failures(queue.failures, queue.first_failed_at)
        for entry in queue.entries:
            if self._is_closing():
                return
            settlement = await self._settlement(access, entry, failures)
            await self._settle(lease, access, entry.position, settlement)
            if settlement.result == "failed":
                return
            failures = Failures()
        if queue.unreadable is not None:
            await self._settle(lease, access, queue.unreadable, retry_unreadable(failures))

    async def _settlement(self, access: SinkAccess, entry: Entry, failures: Failures) -> Settlement:
        if await self._stopped.is_stopped(access):  # which was logged once
            catalog.EVENT_DELIVERIES.inc(access.name, "dead")
            return Settlement("dead", f"The sink is stopped: {access.stopped}", failures.count, failures.first_at)
        if await access.enter():
            return await self._attempt(access, entry, failures)
        settlement = retry_unattempted(access.next_attempt_at(), failures)
        if settlement.result == "dead":
            catalog.EVENT_DELIVERIES.inc(access.name, "dead")
            self._note_death(access, entry, settlement)
        return settlement

    async def _attempt(self, access: SinkAccess, entry: Entry, failures: Failures) -> Settlement:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            error = await attempt(access.sink, entry.event, self._timings.attempt)
        finally:
            access.leave(clock() - began)
        catalog.EVENT_DELIVERY_SECONDS.observe(clock() - began, access.name)
        settlement = settlement_of(error, failures)
        catalog.EVENT_DELIVERIES.inc(access.name, settlement.result)
        await self._note(access, entry, error, settlement)
        return settlement

    async def _note(self, access: SinkAccess, entry: Entry, error: Exception | None, settlement: Settlement) -> None:
        if error is None or isinstance(error, EventRefused):
            access.worked()
        else:
            seconds = error.seconds if isinstance(error, TryLater) else None
            access.failed(settlement.error, entry.event.call_sid, seconds)
        if isinstance(error, SinkGone):
            await self._stopped.stop(access, settlement.error)
        if settlement.result == "dead":
            self._note_death(access, entry, settlement)
        elif settlement.result == "delivered":
            logger.debug("An event was delivered", extra={"action": "event.delivered", **_about(access, entry)})

    @staticmethod
    def _note_death(access: SinkAccess, entry: Entry, settlement: Settlement) -> None:
        message = "An event is given up: %s It can be replayed."
        logger.error(message, settlement.error, extra={"action": "event.dead", **_about(access, entry)})

    async def _settle(self, lease: DeliveryLease, access: SinkAccess, position: int, settlement: Settlement) -> None:
        async def settle() -> bool:
            return await self._outbox.settle(lease, access.name, position, settlement)

        if not await until_deadline(settle, self._timings.settle):
            raise LeaseLost


def _about(access: SinkAccess, entry: Entry) -> dict[str, str]:
    event = entry.event
    return {"call_sid": event.call_sid, "sink": access.name, "event_id": event.id, "event_type": event.type}
