"""Delivers the events of many calls at once, each under its lease."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from orchestrator import error_logging
from orchestrator.errors import StoreUnavailable
from orchestrator.events.call_delivery import CallDelivery, DeliveryTimings, LeaseLost
from orchestrator.events.outbox import Delivery, DeliveryLease, NewEvent, Outbox, Unended
from orchestrator.events.sink_access import SinkAccess
from orchestrator.events.sinks.sink import Sink
from orchestrator.events.stopped_sinks import StoppedSinks
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

MOST_CALLS = 64
"""How many calls are delivered at once by one process."""
MOST_PER_SINK = 20
"""How many events one sink is given at once."""
MOST_LIVES = 10
"""How many ends of one call are written in one go: as many of its lives had none."""


class EndEvents(Protocol):
    """Makes the event of a call's end."""

    def ended(self, unended: Unended) -> NewEvent | None:
        """Return the `call.ended` of a call, or None if nobody wants it."""


class Deliverer:
    """Delivers events to `sinks` and writes the ends of calls that are due. A context manager: entering starts to renew
    leases, leaving finishes the attempts that run, within `timings.drain`, and gives the leases back.

    `holder` is a name that no other process has. At most `most_calls` calls are delivered at once, and each sink gets
    at most a fair part of that number at once, so that one which hangs leaves room for the others; one with a number
    `most_at_once` gets no more than that.
    """

    def __init__(
        self,
        outbox: Outbox,
        sinks: Mapping[str, Sink],
        call_events: EndEvents,
        holder: str,
        *,
        fingerprints: Mapping[str, str] | None = None,
        most_calls: int = MOST_CALLS,
        timings: DeliveryTimings | None = None,
    ) -> None:
        most = max(1, min(MOST_PER_SINK, most_calls // (len(sinks) + 1)))
        known = fingerprints or {}
        accesses = {
            name: SinkAccess(
                name, sink, most=min(most, getattr(sink, "most_at_once", most)), fingerprint=known.get(name, "")
            )
            for name, sink in sinks.items()
        }
        self._outbox = outbox
        self._call_events = call_events
        self._holder = holder
        self._most_calls = most_calls
        self._timings = timings or DeliveryTimings()
        self._calls: dict[str, _Call] = {}
        self._is_closing = False
        self._renewing: asyncio.Task[None] | None = None
        self._delivery = CallDelivery(
            outbox,
            accesses,
            StoppedSinks(outbox, accesses),
            timings=self._timings,
            is_closing=lambda: self._is_closing,
        )

    @property
    def room(self) -> int:
        """How many more calls can be delivered now."""
        return 0 if self._is_closing else max(0, self._most_calls - len(self._calls))

    @property
    def has_room(self) -> bool:
        """True if a commit may ask for the lease of its call, and hand what it gets to `start`."""
        return self.room > 0

    @property
    def is_idle(self) -> bool:
        """True if no call is looked at or delivered here."""
        return not self._calls

    async def __aenter__(self) -> "Deliverer":
        self._renewing = asyncio.create_task(self._renew_leases(), name="renew delivery leases")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self, delivery: Delivery) -> None:
        """Deliver what was claimed, in a task of its own. Also without room: the lease is ours."""
        earlier = self._calls.get(delivery.lease.call_sid)  # its lease has run out, or this one were not granted
        call = _Call(delivery.lease)
        self._own(call, self._start(call, delivery, earlier))

    def look(self, call_sid: str) -> None:
        """Write the end of the call if it is due and deliver its events, in a task of its own. Ignored without room,
        and while the call is delivered here: it is due again then."""
        if self.has_room and call_sid not in self._calls:
            call = _Call(DeliveryLease(call_sid, self._holder, 0), is_held=False)
            self._own(call, self._look(call))

    async def close(self) -> None:
        """Begin no more attempts, finish those that run and release the leases; after `timings.drain` cancel them."""
        self._is_closing = True
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._timings.drain)
        left = [call for call in self._calls.values() if call.is_held]
        await cancel_and_wait(*tasks, self._renewing)
        if left:
            releases = [asyncio.ensure_future(self._outbox.release(call.lease)) for call in left]
            await asyncio.wait(releases, timeout=self._timings.release)  # one that is not released runs out
            await cancel_and_wait(*releases)

    def _own(self, call: "_Call", work: Coroutine[Any, Any, None]) -> None:
        call_sid = call.lease.call_sid
        self._calls[call_sid] = call
        call.task = asyncio.create_task(self._tolerating_errors(call_sid, work), name=f"deliver events of {call_sid}")
        call.task.add_done_callback(lambda _: self._ended(call))

    def _ended(self, call: "_Call") -> None:
        if self._calls.get(call.lease.call_sid) is call:
            del self._calls[call.lease.call_sid]

    async def _start(self, call: "_Call", delivery: Delivery, earlier: "_Call | None") -> None:
        if earlier is not None:
            await cancel_and_wait(earlier.task)
        await self._deliver(call, delivery)

    async def _look(self, call: "_Call") -> None:
        call_sid = call.lease.call_sid
        for _ in range(MOST_LIVES):
            if (unended := await self._outbox.unended(call_sid)) is None:
                break
            await self._outbox.end(unended, self._call_events.ended(unended))
        delivery = await self._outbox.claim(call_sid, self._holder)
        if delivery is None:
            await self._outbox.settle_look(call_sid)
        else:
            await self._deliver(call, delivery)

    async def _deliver(self, call: "_Call", delivery: Delivery) -> None:
        call.lease, call.is_held = delivery.lease, True
        await self._delivery.deliver(delivery)
        call.is_held = False

    async def _tolerating_errors(self, call_sid: str, work: Coroutine[Any, Any, None]) -> None:
        """Leave the call to its agenda whatever happens: it is due again when its lease has run out."""
        extra = {"call_sid": call_sid}
        try:
            await work
        except StoreUnavailable:
            pass  # what was not settled is delivered again
        except LeaseLost:
            logger.info("Another process delivers the events of a call", extra={"action": "event.lease_lost", **extra})
        except Exception as error:
            message = "The events of a call could not be delivered; report this: %s"
            error_logging.log(logging.ERROR, logger, message, error=error, extra={"action": "event.failed", **extra})

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._outbox.lease_seconds / 4)
            held = {call.lease: call for call in self._calls.values() if call.is_held}
            try:
                lost = await self._outbox.renew(list(held)) if held else []
            except StoreUnavailable:
                continue  # an expired lease is good until another process is granted one
            except Exception:  # without this task, others would deliver every call again that takes long
                logger.exception("Delivery leases could not be renewed; report this", extra={"action": "event.failed"})
                continue
            for lease in lost:
                self._stop(held[lease], lease)

    def _stop(self, call: "_Call", lease: DeliveryLease) -> None:
        if call.is_held and call.lease == lease and call.task is not None:  # else it was released meanwhile
            call.is_held = False
            logger.info(
                "Another process delivers the events of a call",
                extra={"action": "event.lease_lost", "call_sid": lease.call_sid},
            )
            call.task.cancel()


@dataclass(slots=True, eq=False)
class _Call:
    """A call that is looked at or delivered here. Its lease is ours if `is_held`."""

    lease: DeliveryLease
    is_held: bool = True
    task: "asyncio.Task[None] | None" = None
