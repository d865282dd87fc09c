"""Commits in Redis: the state, the record, the result, what is told of the turn and the next claim, in one step."""

from contextlib import suppress

from orchestrator.conversation.copies import changed
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.silence import seconds_open, seconds_quiet
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns.messages import settled_message
from orchestrator.turns.redis import scripts
from orchestrator.turns.redis.announcing import Announcing
from orchestrator.turns.redis.call_queue import CallQueue
from orchestrator.turns.redis.claims import ClaimReader
from orchestrator.turns.redis.entries import Entries
from orchestrator.turns.redis.scheduling import Scheduling
from orchestrator.turns.redis.state_writer import Conflict, Prepared, StateWriter
from orchestrator.turns.store import Claim, Commit

RESULTS_MS = 300_000
"""How long the results of a call at rest are kept beside its state, which has them too. Repetitions come sooner; a
later one is given to a worker, who finds the turn in the state."""


class CallLives:
    """How long calls are kept: open ones for `life_ms` from their last turn, ended ones for `ended_ms`."""

    def __init__(self, life_ms: int, ended_ms: int) -> None:
        self._life_ms = life_ms
        self._ended_ms = ended_ms

    def kept_ms(self, state: ConversationState | None) -> int:
        """Return how long a call is kept from now: an open one for as long as its caller may be silent.

        A turn that came by itself, such as a timer's, lets it live no longer: nobody may be there any more.
        """
        if state is None:
            return self._life_ms
        if state.ended is not None:
            return self._ended_ms
        return int(max(self._life_ms - seconds_quiet(state) * 1000, seconds_open(state) * 1000))


class Commits:
    """Settles turns. `room` is the key of the workers that have some; None: nothing is pushed to them.

    `version` is that of this worker, which the states that it writes name; "" leaves them.
    """

    def __init__(
        self,
        connection: StoreConnection,
        call_queue: CallQueue,
        writer: StateWriter,
        claims: ClaimReader,
        announcing: Announcing,
        scheduling: Scheduling,
        lives: CallLives,
        *,
        lease_ms: int,
        room: str | None,
        version: str = "",
    ) -> None:
        self._version = version
        self._connection = connection
        self._entries = Entries(connection.cipher)
        self._call_queue = call_queue
        self._writer = writer
        self._claims = claims
        self._announcing = announcing
        self._scheduling = scheduling
        self._lives = lives
        self._lease_ms = lease_ms
        self._room = room

    async def commit(
        self,
        claim: Claim,
        state: ConversationState | None,
        record: TurnRecord,
        *,
        keep: bool = True,
        is_recorded: bool = False,
    ) -> Commit:
        if state is not None and self._version and state.worker_version != self._version:
            state = changed(state, worker_version=self._version)
        prepared = await self._writer.prepare(claim, state, record)
        if isinstance(prepared, Conflict):
            return Commit("conflict", state=prepared.stored)
        committed = await self._settle(claim, prepared, keep_lease=keep, is_recorded=is_recorded)
        if committed.left_turns or prepared.is_over:
            await self._index(claim.lease.call_sid, committed, prepared)
        return await self._commit(claim.lease.call_sid, committed, prepared)

    async def _settle(
        self, claim: Claim, prepared: Prepared, *, keep_lease: bool, is_recorded: bool
    ) -> scripts.Committed:
        """Run the commit's script, and publish the result: in the script, or once replicas have confirmed it."""
        lease, record, written = claim.lease, prepared.record, prepared.state
        result_json, message = self._result(record.result(lease.call_sid), lease.epoch)
        shard = self._call_queue.shard_with(lease.call_sid)
        announced = self._announcing.of_commit(claim, written, record, shard, is_recorded=is_recorded)
        keep_ms = self._lives.kept_ms(written)
        changes = self._scheduling.changes(claim, written, record, is_recorded=is_recorded)
        scheduled = await self._scheduling.before_commit(lease.call_sid, changes, keep_ms, shard)
        committed = await self._connection.run_confirmed(
            scripts.commit(
                lease=lease,
                turn_id=record.turn_id,
                expected=prepared.expected,
                state_json=prepared.json,
                keep_ms=keep_ms,
                result_json=result_json,
                message="" if self._connection.is_confirmed else message,
                is_over=prepared.is_over,
                keep_lease=keep_lease,
                lease_ms=self._lease_ms,
                results_ms=RESULTS_MS,
                shard=shard,
                room=self._room,
                scheduled=scheduled,
                announced=announced,
            )
        )
        if self._connection.is_confirmed and committed.status in ("committed", "gone"):
            await self._connection.run(scripts.publish_result(call_sid=lease.call_sid, message=message))
        await self._announcing.after_commit(announced, lease.call_sid, committed.delivery)
        if committed.status == "committed":
            await self._scheduling.after_commit(lease.call_sid, changes)
        return committed

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        """Settle a waiting turn with the outcome `dropped`. Return False if it no longer waits."""
        dropped = TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="dropped")
        result_json, message = self._result(dropped, 0)
        rejecting = scripts.reject(call_sid=call_sid, turn_id=turn_id, result_json=result_json, message=message)
        return await self._connection.run(rejecting)

    def _result(self, result: TurnResult, epoch: int) -> tuple[str | bytes, str | bytes]:
        """Return the result as it is stored, and the message that tells it."""
        call_sid, turn_id, text = result.call_sid, result.turn_id, result.model_dump_json()
        message = settled_message(call_sid, turn_id, epoch, text, self._connection.cipher)
        return self._entries.sealed_result(call_sid, turn_id, text), message

    async def _index(self, call_sid: str, committed: scripts.Committed, prepared: Prepared) -> None:
        """Change the call queue where the script did not."""
        with suppress(StoreUnavailable):  # the turn is settled; the rescuer does what is missed here
            if committed.left_turns:
                await self._call_queue.enqueue(call_sid)
            elif prepared.is_over and committed.status == "committed":
                await self._call_queue.call_ended(call_sid)

    async def _commit(self, call_sid: str, committed: scripts.Committed, prepared: Prepared) -> Commit:
        """Return what the store's caller gets: with the state that holds now, and the next turn."""
        state = prepared.state
        if committed.status == "gone":
            state = None
        elif committed.status in ("conflict", "recorded"):
            state = await self._writer.read(call_sid, committed.stored)
        following = None if committed.next is None else await self._claims.following(committed.next, state)
        return Commit(committed.status, following, state)
