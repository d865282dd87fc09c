"""What the turns' scripts write into a call's outbox, and what follows from it."""

from collections.abc import Callable

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.events.call_events import CallEvents
from orchestrator.events.outbox import Delivery
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.events.redis.scripts import (
    LEASE_MS,
    NOTHING,
    Announced,
    announcement_args,
    delivery_args,
    outbox_keys,
)
from orchestrator.redis.keys import ShardKeys
from orchestrator.turns.redis.scripts import Submitted
from orchestrator.turns.redis.state_writer import Opening
from orchestrator.turns.store import Claim


class Announcing:
    """Makes what scripts write of the events of calls into `outbox`; nothing, if there is nothing to tell.

    `deliver` gets what a commit granted to this process; None in one that delivers nothing. `has_room` says whether it
    can take more.
    """

    def __init__(self, outbox: RedisOutbox, events: CallEvents | None) -> None:
        self._outbox = outbox
        self._events = None if events is None or events.tells_nothing else events
        self.deliver: Callable[[Delivery], None] | None = None
        self.has_room: Callable[[], bool] = lambda: True

    def of_submit(self, turn: Turn, opened: Opening, shard: ShardKeys | None) -> Announced:
        """Return what a submit writes: that the call begins, or that the provider says it is over."""
        if self._events is None:
            return NOTHING
        beginning = self._events.accepted(opened.state) if opened.state is not None else None
        if beginning is not None:
            return Announced(outbox_keys(turn.call_sid, shard), announcement_args(beginning, self._outbox.cipher))
        return Announced(outbox_keys(turn.call_sid, shard)) if turn.kind == "ended" else NOTHING

    def of_commit(
        self,
        claim: Claim,
        state: ConversationState | None,
        record: TurnRecord,
        shard: ShardKeys | None,
        *,
        is_recorded: bool = False,
    ) -> Announced:
        """Return what the commit of `state`, which holds `record`, writes."""
        if self._events is None or state is None:
            return NOTHING
        is_base = claim.state is not None and claim.state.version == state.version - 1
        before = state if is_recorded else claim.state if is_base else None
        announcement = self._events.committed(before, state, record)
        if announcement is None:
            return NOTHING
        wanted = self.deliver is not None and self.has_room()
        args = delivery_args(announcement, self._outbox.cipher, self._outbox.sinks, wanted=wanted)
        return Announced(outbox_keys(state.call_sid, shard), args, self._outbox.cipher)

    async def after_submit(self, announced: Announced, submitted: Submitted, turn: Turn) -> None:
        """In a cluster, note that somebody is to look at the call, unless its job is queued, which says so, too."""
        if announced is NOTHING or submitted.status == "queued":
            return
        is_over = turn.kind == "ended" and submitted.status in ("ended", "unknown")
        if is_over or submitted.is_to_be_looked_at:
            await self._outbox.agenda.mark(turn.call_sid)

    async def after_commit(self, announced: Announced, call_sid: str, delivery: Delivery | None) -> None:
        """Deliver what was granted. In a cluster, note first that somebody is to look at the call."""
        if announced is NOTHING:
            return
        if delivery is not None and self.deliver is not None:
            self.deliver(delivery)
        await self._outbox.agenda.mark(call_sid, LEASE_MS if delivery is not None else 0)

    async def after_erasure(self, call_sid: str) -> None:
        """Have somebody look at a call whose state is gone: its end may not have been told."""
        if self._events is not None:
            await self._outbox.agenda.look_within(call_sid, 0)

    async def accepted(self, state: ConversationState) -> None:
        """Write what is told of a call that is accepted without a turn."""
        announcement = None if self._events is None else self._events.accepted(state)
        if announcement is not None:
            await self._outbox.accept(announcement)
