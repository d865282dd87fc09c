"""The turn store of a single process: it keeps the same rules without Redis, over any state manager."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from orchestrator import clock
from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.silence import RUNNING_SECONDS, seconds_open
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, CallErased, StateConflict, TurnRejected, UnknownCall
from orchestrator.routes.admission import Admission
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.call_rates import NO_RATES, CallRates
from orchestrator.turns.call_record import CallRecord, interruption_of
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.ended_early import EndedEarly
from orchestrator.turns.memory_admissions import MemoryAdmissions
from orchestrator.turns.memory_announcing import MemoryAnnouncing
from orchestrator.turns.memory_erasure import MemoryErasure
from orchestrator.turns.memory_scheduling import MemoryScheduling
from orchestrator.turns.messages import Arrival, Piece, Settled, Token
from orchestrator.turns.store import Claim, Commit, Found, Lease, Waiting
from orchestrator.turns.tombstone import is_of_a_provider

MOST_DEAD_LETTERS = 1000
MOST_WAITING_TURNS = 100


def _ignore(_: object) -> None: ...


class InMemoryTurnStore:
    """Inboxes and leases in this process. A lease ends with its holder's task, so it has no time limit.

    `deliver` gets what an ingress would receive over pub/sub, `notify` what a worker would. `wake` is called with the
    SID of a call that has a turn and no lease holder. `announcing` writes the events of the calls,
    `scheduling` what they do later.
    """

    def __init__(
        self,
        states: StateManagerBase,
        *,
        max_active_calls: int | None = None,
        api_max_active_calls: int | None = None,
        deliver: Callable[[Token | Settled], None] = _ignore,
        notify: Callable[[Arrival], None] = _ignore,
        wake: Callable[[str], None] = _ignore,
        announcing: MemoryAnnouncing | None = None,
        scheduling: MemoryScheduling | None = None,
        rates: CallRates = NO_RATES,
    ) -> None:
        self.states = states
        self.deliver = deliver
        self.notify = notify
        self.wake = wake
        self._announcing = announcing or MemoryAnnouncing()
        self.scheduling = scheduling or MemoryScheduling()
        self._dead_letters: deque[DeadLetter] = deque(maxlen=MOST_DEAD_LETTERS)
        self._calls: dict[str, CallRecord] = {}
        self._over = EndedEarly()
        self.admissions = MemoryAdmissions(states, CallLimits(max_active_calls, api_max_active_calls), rates)
        self.erasure = MemoryErasure(
            self._calls, self._dead_letters, self._announcing, self.scheduling, self.admissions, deliver, notify
        )

    async def submit(
        self,
        turn: Turn,
        *,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
        admission: Admission | None = None,
    ) -> TurnResult | None:
        call_sid = checked_call_sid(turn.call_sid)
        if opening is not None and is_of_a_provider(opening) and call_sid in self.erasure.tombstones:
            raise CallErased
        try:
            call = self._call_of(await self._admit(call_sid, opening, admission))
        except UnknownCall:
            if turn.kind == "ended" and call_sid not in self.erasure.tombstones:
                self._over.note(call_sid)
            raise
        if turn.turn_id in call.results:
            return call.results[turn.turn_id]
        if not call.waiting(turn.turn_id):
            if call.ended:
                if turn.kind == "ended":
                    self._announcing.is_over(call_sid)
                raise CallEnded
            if len(call.inbox) >= MOST_WAITING_TURNS:
                raise TurnRejected
            call.inbox.append(turn.submitted_at(clock.now()))
            call.ending = call.ending or turn.kind == "ended"
            if call.holder:
                self.notify(Arrival.of(turn))
        call.streamed = call.streamed or stream
        await self.states.keep_alive([call_sid], RUNNING_SECONDS)
        if not call.holder:
            self.wake(call_sid)
        return None

    async def _admit(
        self, call_sid: str, opening: Mapping[str, Any] | None, admission: Admission | None
    ) -> ConversationState:
        """Return the call's state; begin an unknown call if it may begin."""
        state = await self.states.get_state(call_sid)
        if state is not None:
            return state
        if opening is None:
            raise UnknownCall
        if call_sid in self._over:
            raise CallEnded
        async with self.admissions.line(call_sid, opening, admission):
            state = await self.states.create_state(call_sid, **opening)
        self.scheduling.schedule.forget(call_sid)  # of an earlier call with the same SID
        self._announcing.accepted(state)
        return state

    def _call_of(self, state: ConversationState) -> CallRecord:
        """Return the record of the call; a new one if the known one belongs to an earlier call with the same SID."""
        call = self._calls.get(state.call_sid)
        if call is None or call.life != state.created_at:
            epoch = self.erasure.highest_epoch if call is None else call.epoch
            call = self._calls[state.call_sid] = CallRecord.of(state, epoch)
        return call

    async def accept(self, state: ConversationState, admission: Admission | None = None) -> None:
        if admission is not None:
            self.admissions.count(state.call_sid, admission)
        self._announcing.accepted(state)

    async def has_room(self, admission: Admission) -> bool:
        return await self.admissions.has_room(admission)

    async def check_destination(self, number: str, order: str) -> None:
        self.admissions.rates.check_destination(number, order)

    async def find(self, call_sid: str, turn_id: str) -> Found:
        call = self._calls.get(checked_call_sid(call_sid))
        if call is None:
            state = await self.states.get_state(call_sid)  # the state may have outlived the process that had the record
            if state is None:
                return None
            call = self._call_of(state)
        waiting = next((turn for turn in call.inbox if turn.turn_id == turn_id), None)
        return Waiting(waiting.model_dump_json()) if waiting is not None else call.results.get(turn_id)

    async def waiting(self, call_sid: str) -> list[str]:
        call = self._calls.get(checked_call_sid(call_sid))
        return [turn.turn_id for turn in call.inbox] if call is not None else []

    async def claim(self, call_sid: str, holder: str) -> Claim | None:
        call = self._calls.get(call_sid)
        if call is None or call.holder or not call.inbox:
            return None
        call.epoch += 1
        call.holder = holder
        return self._next(call_sid, call, await self.states.get_state(call_sid))

    def _next(self, call_sid: str, call: CallRecord, state: ConversationState | None) -> Claim:
        turn = call.inbox[0]
        was_begun, call.running = call.running == turn.turn_id, turn.turn_id
        if not was_begun:
            call.attempts = 0
        return Claim(
            Lease(call_sid, call.holder, call.epoch),
            turn,
            state,
            ending=call.ending,
            streamed=call.streamed,
            attempt=call.attempts + 1,
            interruption=interruption_of(turn, list(call.inbox)[1:], was_begun=was_begun),
        )

    async def confirm(self, claim: Claim) -> bool:
        return not await self.renew([claim.lease])

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        return [lease for lease in leases if not self._held_call(lease).holds(lease)]

    async def publish(self, lease: Lease, turn_id: str, piece: Piece) -> bool:
        held = self._held_call(lease).holds(lease)
        if held:
            self.deliver(Token(lease.call_sid, turn_id, lease.epoch, piece))
        return held

    async def commit(
        self,
        claim: Claim,
        state: ConversationState | None,
        record: TurnRecord,
        *,
        keep: bool = True,
        is_recorded: bool = False,
    ) -> Commit:
        lease = claim.lease
        call = self._held_call(lease)
        if not call.holds(lease):
            return Commit("lost")
        status: Literal["committed", "gone"] = "gone" if state is None else "committed"
        written = None
        if state is not None:
            try:
                written = await self.states.update_state(state)
                self._announcing.committed(claim, state, written, record, call, is_recorded=is_recorded)
                self.scheduling.committed(claim, state, written, record, is_recorded=is_recorded)
                if open_for := seconds_open(written):
                    await self.states.keep_alive([lease.call_sid], open_for)
            except StateConflict:
                stored = await self.states.get_state(lease.call_sid)
                if stored is not None:
                    return Commit("conflict", state=stored)
                status = "gone"
        result = record.result(lease.call_sid)
        call.settle(record.turn_id)
        if status == "committed":
            call.results[record.turn_id] = result
            call.ended = call.ended or (written is not None and written.ended is not None)
        self.deliver(Settled(result, lease.epoch))
        return Commit(status, self._next_or_release(lease, call, written, keep), written)

    def _next_or_release(
        self, lease: Lease, call: CallRecord, state: ConversationState | None, keep: bool
    ) -> Claim | None:
        if call.inbox and keep:
            return self._next(lease.call_sid, call, state)
        call.holder = ""
        if call.inbox:
            self.wake(lease.call_sid)
        elif state is None:
            self._calls.pop(lease.call_sid, None)
        return None

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        call = self._calls.get(call_sid)
        if call is None or not call.waiting(turn_id) or (call.holder and call.running == turn_id):
            return False
        call.settle(turn_id)
        result = TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="dropped")
        call.results[turn_id] = result
        self.deliver(Settled(result, 0))
        return True

    async def release(self, claim: Claim) -> None:
        call = self._held_call(claim.lease)
        if call.holds(claim.lease):
            call.holder = ""
            if call.inbox:
                self.wake(claim.lease.call_sid)

    async def retry_later(self, claim: Claim, seconds: float, *, is_attempt: bool = True) -> None:
        call = self._held_call(claim.lease)
        if call.holds(claim.lease) and is_attempt:
            call.attempts += 1
        await self.release(claim)

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        self._dead_letters.append(DeadLetter(turn=claim.turn, attempts=claim.attempt, reason=reason))

    async def dead_letters(self) -> list[DeadLetter]:
        return list(self._dead_letters)

    async def erase(self, call_sid: str) -> None:
        self.erasure.delete(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        return call_sid in self.erasure.tombstones

    def is_idle(self, call_sid: str) -> bool:
        """True if no turn of the call runs or waits."""
        call = self._calls.get(call_sid)
        return call is None or not (call.holder or call.inbox)

    async def forget_expired(self) -> int:
        """Delete the records of calls that have no state any more. Return how many."""
        idle = [sid for sid, call in self._calls.items() if not call.holder and not call.inbox]
        gone = [sid for sid in idle if await self.states.get_state(sid) is None]
        for call_sid in gone:
            self._calls.pop(call_sid, None)
            self._announcing.is_over(call_sid)
            self.scheduling.schedule.forget(call_sid)
        return len(gone)

    def _held_call(self, lease: Lease) -> CallRecord:
        return self._calls.get(lease.call_sid) or CallRecord()
