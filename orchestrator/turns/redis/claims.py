"""Turns what Redis granted into a claim."""

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.encryption.envelope import content_length
from orchestrator.errors import UnreadableSeal, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.redis.call_queue import CallQueue
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.entries import Entries
from orchestrator.turns.redis.lease_scripts import Grant, discard_turn, release
from orchestrator.turns.redis.state_writer import StateWriter
from orchestrator.turns.store import Claim, Lease

CLOCKS_APART_MS = 100
"""A grant that seems to come from further in the future is confirmed: this clock, or the server's, is wrong."""
MISSING_KEY_PAUSE_MS = 500
"""How long a turn waits whose key this process lacks, before it is granted again, perhaps to one that has it."""


class ClaimReader:
    """Reads the turn and the state of a grant. What waits and is not a turn becomes a dead letter.

    A pushed grant that is read after `late_ms` or later may be another worker's by now: it is confirmed first. `room`
    is the key of the workers to which grants are pushed; None: none are. `lease_ms` is for how long a renewal holds.
    """

    def __init__(
        self,
        connection: StoreConnection,
        call_queue: CallQueue,
        states: StateWriter,
        dead_letters: RedisDeadLetters,
        *,
        lease_ms: int,
        late_ms: float,
        room: str | None,
    ) -> None:
        self._connection = connection
        self._call_queue = call_queue
        self._states = states
        self._dead_letters = dead_letters
        self._entries = Entries(connection.cipher)
        self._lease_ms = lease_ms
        self._late_ms = late_ms
        self._room = room

    async def open(self, grant: Grant) -> Claim | None:
        """Return the claim of a new lease. None if what waits is not a turn, or if a key is missing here that another
        process may have: the call is free again."""
        try:
            return await self._opened(grant)
        except UnreadableSeal:
            await self.leave_to_others(grant.lease, text_of(grant.turn_id))
            return None

    async def _opened(self, grant: Grant) -> Claim | None:
        """Return the claim; None if what waits is not a turn. Raise `UnreadableSeal` if a key is missing."""
        turn = self._entries.waiting_turn(grant.lease.call_sid, grant.turn_id, grant.turn_json)
        if turn is None:
            await self._discard(grant)
            return None
        state, unreadable = None, False
        try:
            state = await self._states.read(grant.lease.call_sid, grant.state_json)
        except UnreadableState as error:
            if isinstance(error, UnreadableSeal) and error.is_key_missing:
                raise
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
        try:
            turn = self._entries.waiting_turn(grant.lease.call_sid, grant.turn_id, grant.turn_json)
        except UnreadableSeal:
            await self.leave_to_others(grant.lease, text_of(grant.turn_id))
            return None
        if turn is None:
            await self._discard(grant)
            return None
        return self._claim(grant, turn, state)

    async def leave_to_others(self, lease: Lease, turn_id: str) -> None:
        """Release the lease of a turn that a process with more keys can run: that is no attempt at it."""
        await self.give_back(lease, turn_id, MISSING_KEY_PAUSE_MS, is_attempt=False)

    async def give_back(
        self, lease: Lease, turn_id: str, pause_ms: int | None = None, *, is_attempt: bool = True
    ) -> None:
        """Release the lease under which the turn was granted. With a pause that was an attempt at it, if it
        `is_attempt`."""
        shard = self._call_queue.shard_with(lease.call_sid)
        call = release(
            lease=lease, turn_id=turn_id, pause_ms=pause_ms, is_attempt=is_attempt, shard=shard, room=self._room
        )
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
            interruption=self._entries.interruption(grant.lease.call_sid, grant.interruption_json),
            stored_bytes=content_length(grant.state_json) if grant.state_json and self._states.in_same_redis else None,
            turn_bytes=content_length(grant.turn_json),
            taken_from=grant.taken_from,
            silent_since=None if grant.expired_ms is None else (grant.expired_ms - self._lease_ms) / 1000,
        )

    async def _discard(self, grant: Grant) -> None:
        """Take what cannot be run off the inbox: nobody could settle it by its id."""
        lease = grant.lease
        what = f"{text_of(grant.turn_id)} in {keys.call(lease.call_sid).turns}"
        reason = "it is not a turn of this call"
        await self._dead_letters.put_unreadable(lease.call_sid, what, reason, grant.turn_json)
        await self._connection.run(discard_turn(lease=lease, turn_id=grant.turn_id))
        await self.give_back(lease, "")
