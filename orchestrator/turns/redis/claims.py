"""Turns what Redis granted into a claim."""

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.redis.call_queue import CallQueue
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.entries import interruption, waiting_turn
from orchestrator.turns.redis.lease_scripts import Grant, discard_turn, release
from orchestrator.turns.redis.state_writer import StateWriter
from orchestrator.turns.store import Claim, Lease

CLOCKS_APART_MS = 100
"""A grant that seems to come from further in the future is confirmed: this clock, or the server's, is wrong."""


class ClaimReader:
    """Reads the turn and the state of a grant. What waits and is not a turn becomes a dead letter.

    A pushed grant that is read after `late_ms` or later may be another worker's by now: it is confirmed first. `room`
    is the key of the workers to which grants are pushed; None: none are.
    """

    def __init__(
        self,
        connection: StoreConnection,
        call_queue: CallQueue,
        states: StateWriter,
        dead_letters: RedisDeadLetters,
        *,
        late_ms: float,
        room: str | None,
    ) -> None:
        self._connection = connection
        self._call_queue = call_queue
        self._states = states
        self._dead_letters = dead_letters
        self._late_ms = late_ms
        self._room = room

    async def open(self, grant: Grant) -> Claim | None:
        """Return the claim of a new lease. None if what waits is not a turn: the call is free again."""
        turn = waiting_turn(grant.lease.call_sid, grant.turn_id, grant.turn_json)
        if turn is None:
            await self._discard(grant)
            return None
        state, unreadable = None, False
        try:
            state = await self._states.read(grant.lease.call_sid, grant.state_json)
        except UnreadableState:
            unreadable = True
        claim = self._claim(grant, turn, state)
        claim.unreadable = unreadable
        claim.confirmed = not self._connection.is_confirmed
        if grant.pushed_at is not None:
            claim.is_short = True
            age = clock.now() * 1000 - grant.pushed_at
            claim.confirmed = claim.confirmed and -CLOCKS_APART_MS < age < self._late_ms
        return claim

    async def following(self, grant: Grant, state: ConversationState | None) -> Claim | None:
        """Return the claim of the turn that follows a commit which left `state`. None as for `open`."""
        turn = waiting_turn(grant.lease.call_sid, grant.turn_id, grant.turn_json)
        if turn is None:
            await self._discard(grant)
            return None
        return self._claim(grant, turn, state)

    async def give_back(self, lease: Lease, turn_id: str, pause_ms: int | None = None) -> None:
        """Release the lease under which the turn was granted; with a pause, that was an attempt at the turn."""
        shard = self._call_queue.shard_with(lease.call_sid)
        call = release(lease=lease, turn_id=turn_id, pause_ms=pause_ms, shard=shard, room=self._room)
        if await self._connection.run(call):
            await self._call_queue.enqueue(lease.call_sid)

    def _claim(self, grant: Grant, turn: Turn, state: ConversationState | None) -> Claim:
        return Claim(
            lease=grant.lease,
            turn=turn,
            state=state,
            attempt=grant.attempt,
            ending=grant.ending,
            streamed=grant.streamed,
            interruption=interruption(grant.interruption_json),
            stored_bytes=len(grant.state_json) if grant.state_json and self._states.in_same_redis else None,
        )

    async def _discard(self, grant: Grant) -> None:
        """Take what cannot be run off the inbox: nobody could settle it by its id."""
        lease = grant.lease
        what = f"{text_of(grant.turn_id)} in {keys.call(lease.call_sid).turns}"
        reason = "it is not a turn of this call"
        await self._dead_letters.put_unreadable(lease.call_sid, what, reason, grant.turn_json)
        await self._connection.run(discard_turn(lease=lease, turn_id=grant.turn_id))
        await self.give_back(lease, "")
