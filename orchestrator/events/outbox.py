"""The outbox of a call: its events that are not delivered yet, and the lease under which a process delivers them.

The rules that every outbox keeps, and the suite in `orchestrator.testing.outbox_contract` checks:

- an event is written in the same step as what it tells; its `seq` is the number of events in this life of the call;
- a call that is accepted is *open* until its `call.ended` is written, which happens once in its life;
- an event stays until each sink that it names has taken it, refused it or given up; of each sink it is told in order;
- one process at a time delivers the events of a call. What another settles under an older lease changes nothing;
- a sink that wants no event any more is *stopped* for all processes, until a person resumes it or its address changes;
- a call that is open or has events is looked at again: at once if one can be delivered, else when the next attempt, the
  end of the call or the end of its state is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from orchestrator.conversation.state import ConversationState
from orchestrator.events.event import Event


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is to be written, for `sinks`. The outbox adds `data["seq"]`."""

    event: Event
    sinks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallHead:
    """What is known of a call when it is accepted. It outlives the call's state.

    `life` is when the state was created (ISO 8601): a SID may be used again.
    """

    call_sid: str
    life: str
    channel: str
    direction: str
    from_number: str
    to_number: str
    agent: str
    tenant: str
    worker_version: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a step of a call writes into its outbox, together with what it does to the call.

    `head` begins the call's life there, unless it has begun. `events` are written in order. With `closes_later` the
    agent has hung up: `call.ended` is due once the provider says that the call is over, at latest after
    `CLOSING_SECONDS`.
    """

    head: CallHead
    events: tuple[NewEvent, ...] = ()
    closes_later: bool = False


CLOSING_SECONDS = 30.0
TAKE_OVER_SECONDS = 60.0
"""How long a call that was taken over, and whose state is not there, is not counted as gone: the state follows."""
LOOK_AGAIN_SECONDS = 5.0
"""When a call that was `due` is due again, unless somebody looks at it and says more."""


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """The right to deliver one call's events. `epoch` grows by one with each grant."""

    call_sid: str
    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the outbox. `position` says in which order events of the call are delivered, over all its lives."""

    position: int
    event: Event
    sinks: tuple[str, ...]


@dataclass(slots=True)
class SinkQueue:
    """What one sink is to get now, in order. `failures` counts the attempts at the first of them, the first of which
    was at `first_failed_at` (Unix seconds, 0 if there was none).

    The event at the position `unreadable` comes next, and is encrypted under a key that this process does not have.
    """

    sink: str
    entries: list[Entry] = field(default_factory=list)
    failures: int = 0
    first_failed_at: float = 0.0
    unreadable: int | None = None


@dataclass(slots=True)
class Delivery:
    """Events of one call that can be delivered now, under a lease: a queue for each sink that has any."""

    lease: DeliveryLease
    queues: list[SinkQueue]


@dataclass(frozen=True, slots=True)
class Unended:
    """A call whose `call.ended` is due now: its state has ended, or is gone (None)."""

    head: CallHead
    state: ConversationState | None


@dataclass(frozen=True, slots=True)
class StoppedSink:
    """A sink that wants no event any more. `fingerprint` is of its address: with another one, it is not stopped."""

    sink: str
    fingerprint: str
    reason: str
    stopped_at: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one attempt to deliver.

    - `delivered`: the sink has it;
    - `failed`: it is tried again at `next_at` (Unix seconds). `failures` and `first_failed_at` count this one too;
    - `dead`: it is given up, and the next event goes on.
    """

    result: Literal["delivered", "failed", "dead"]
    error: str = ""
    failures: int = 0
    first_failed_at: float = 0.0
    next_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that one sink has not got. `dead_at` (Unix seconds): when it was given up; None while it is pending."""

    entry: Entry
    sink: str
    failures: int
    error: str
    next_at: float | None
    dead_at: float | None
    bytes: int


@dataclass(frozen=True, slots=True)
class SinkTally:
    """How much of one call's events a sink has not got. Times are Unix seconds; None where there is none.

    `oldest_at` is since when the first pending event waits, `due_at` when the next attempt is due (None also while
    somebody has the lease), and `dead_at` when the first of the dead ones was given up.
    """

    pending: int = 0
    dead: int = 0
    oldest_at: float | None = None
    due_at: float | None = None
    dead_at: float | None = None


@dataclass(frozen=True, slots=True)
class CallTally:
    """How much is in the outbox of one call. `bytes` is that of its events as JSON, each counted once."""

    call_sid: str
    events: int
    bytes: int
    sinks: Mapping[str, SinkTally]


class Outbox(Protocol):
    """Keeps events until they are delivered. Every method may raise `StoreUnavailable`, and may be repeated.

    `sinks` are the names of those that this process delivers to. A lease that is not renewed for `lease_seconds` may be
    granted to another. `first_due` is when the first call is due (Unix seconds), as far as the last `due` knew; None if
    it knew of none.
    """

    sinks: tuple[str, ...]
    lease_seconds: float

    @property
    def first_due(self) -> float | None:
        """When the first call is due; see above."""

    async def due(self, most: int = 100) -> list[str]:
        """Return calls that are to be looked at now. Each is looked at again soon, unless somebody settles it."""

    async def unended(self, call_sid: str) -> Unended | None:
        """Return the call if its `call.ended` is due now, else None.

        It is due when the state of an open call is gone (or is that of a later life), or has ended and the provider has
        said so, or `CLOSING_SECONDS` have passed. Of several lives, the oldest comes first.
        """

    async def end(self, unended: Unended, event: NewEvent | None) -> bool:
        """Write the `call.ended` of this life, or only close it (None). Return False if that was done before."""

    async def claim(self, call_sid: str, holder: str) -> Delivery | None:
        """Return what can be delivered to `sinks` now, under a new lease. None: nothing can, or another holds it.

        A holder that has the lease keeps it, renewed: its epoch stays, whether or not there is more to deliver.
        """

    async def renew(self, leases: Sequence[DeliveryLease]) -> list[DeliveryLease]:
        """Renew the leases. Return those that are lost."""

    async def settle(self, lease: DeliveryLease, sink: str, position: int, settlement: Settlement) -> bool:
        """Write what became of a delivery. Return False if the lease is lost."""

    async def release(self, lease: DeliveryLease) -> None:
        """Give the lease back, and say when the call is to be looked at next, if ever."""

    async def settle_look(self, call_sid: str) -> None:
        """Say when a call is to be looked at next, of which nothing was to be delivered."""

    async def take_over(self, announcement: Announcement) -> None:
        """Write what was announced in the memory of a process that could not reach this outbox.

        The events get their `seq` here. Those whose ids were taken over before are not written again, even if they are
        delivered by now. The call's state is written after this: until then, for `TAKE_OVER_SECONDS`, the call does not
        count as gone.
        """

    async def stop_sink(self, stopped: StoppedSink) -> None:
        """Tell all processes that the sink wants no event any more."""

    async def stopped_sinks(self) -> list[StoppedSink]:
        """Return the stopped sinks, whether or not they still have the address that they were stopped at."""

    async def resume_sink(self, sink: str) -> bool:
        """Deliver to the sink again. Return False if it was not stopped."""

    async def undelivered(self, call_sid: str) -> list[Undelivered]:
        """Return what is pending or dead of the call's events, by position and sink."""

    async def calls(self, cursor: str = "", most: int = 100) -> tuple[list[str], str]:
        """Return calls that are open or have events, and the cursor of the next ones; "" after the last."""

    async def replay(self, call_sid: str, position: int, sink: str) -> bool:
        """Deliver a dead event again, under its id, after those that are pending. Return False if it is not dead."""

    async def retry(self, call_sid: str, sink: str) -> bool:
        """Try what is pending for this sink at once. Return False if nothing is, or the next attempt is due already.

        Failures count as before. A sink whose delivery runs at this moment is tried again when it says.
        """

    async def drop(self, call_sid: str, position: int, sink: str) -> bool:
        """Deliver an event, pending or dead, to this sink no more. Return False if there is none."""

    async def survey(self, cursor: str = "", most: int = 100) -> tuple[list[CallTally], str]:
        """Return how much is in the outboxes of calls, with the cursor of the next ones, as `calls` does.

        A call that would be looked at later than it has to be is looked at then.
        """
