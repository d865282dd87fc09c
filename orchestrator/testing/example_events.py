"""Events of a call, for suites that test outboxes."""

from orchestrator.clock import now
from orchestrator.conversation.state import ConversationState
from orchestrator.events.event import EventType, new_event
from orchestrator.events.outbox import (
    Announcement,
    CallHead,
    Delivery,
    DeliveryLease,
    NewEvent,
    Outbox,
    Settlement,
    SinkQueue,
)
from orchestrator.events.record import life_of

DELIVERED = Settlement("delivered")
DEAD = Settlement("dead", "It said no.", failures=1)


def head_of(state: ConversationState) -> CallHead:
    """Return the head of the life that this state is of."""
    return CallHead(
        call_sid=state.call_sid,
        life=life_of(state),
        channel=state.channel,
        direction=state.direction,
        from_number=state.from_number,
        to_number=state.to_number,
        agent="echo",
        tenant="",
        worker_version="1",
    )


def an_event(text: str, sinks: tuple[str, ...] = ("file",), kind: EventType = "turn.completed") -> NewEvent:
    """Return an event whose data has this `text`."""
    return NewEvent(new_event(kind, now(), {"call_sid": "CA1", "text": text}), sinks)


def announcement(head: CallHead, *events: NewEvent, closes_later: bool = False) -> Announcement:
    """Return what announces these events."""
    return Announcement(head, events, closes_later=closes_later)


def failed(in_seconds: float, failures: int = 1) -> Settlement:
    """Return what becomes of a delivery that failed and is tried again `in_seconds`."""
    return Settlement("failed", "It does not answer.", failures, first_failed_at=now(), next_at=now() + in_seconds)


async def delivery(outbox: Outbox, call_sid: str = "CA1", holder: str = "anna") -> Delivery:
    """Claim the call's outbox. Fail if it is not granted."""
    claimed = await outbox.claim(call_sid, holder)
    assert claimed is not None, "nothing could be claimed"
    return claimed


def texts(claimed: Delivery | None, sink: str = "file") -> list[str]:
    """Return the texts of the events that this sink is to get."""
    return [str(entry.event.data["text"]) for entry in queue_of(claimed, sink).entries]


def queue_of(claimed: Delivery | None, sink: str = "file") -> SinkQueue:
    """Return the queue of this sink; an empty one if it is to get nothing."""
    queues = [] if claimed is None else claimed.queues
    return next((queue for queue in queues if queue.sink == sink), SinkQueue(sink))


async def settle_all(outbox: Outbox, claimed: Delivery, settlement: Settlement = DELIVERED) -> None:
    """Settle everything that was claimed."""
    for queue in claimed.queues:
        for entry in queue.entries:
            assert await outbox.settle(claimed.lease, queue.sink, entry.position, settlement)


async def deliver_all(outbox: Outbox, call_sid: str = "CA1") -> list[str]:
    """Deliver what the file is to get, give the lease back and return the texts."""
    claimed = await delivery(outbox, call_sid)
    await settle_all(outbox, claimed)
    await outbox.release(claimed.lease)
    return texts(claimed)


def stale(lease: DeliveryLease) -> DeliveryLease:
    """Return the lease that was granted before this one."""
    return DeliveryLease(lease.call_sid, lease.holder, lease.epoch - 1)
