"""The turn store of a single process: the same rules, no Redis, over any state manager."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.silence import RUNNING_SECONDS, seconds_open
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import (
    CallEnded,
    CallErased,
    CallRefused,
    StateConflict,
    TurnRejected,
    UnknownCall,
)
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.ended_early import EndedEarly
from orchestrator.turns.messages import Arrival, Piece, Settled, Token
from orchestrator.turns.store import Claim, Commit, Found, Lease, Waiting
from orchestrator.turns.tombstone import Tombstones, is_of_a_provider

MOST_DEAD_LETTERS = 1000
MOST_WAITING_TURNS = 100


@dataclass(slots=True)
class _Desk:
    """What one call has besides its state."""

    life: datetime | None = None  # when the state was made: a SID may be used again
    inbox: deque[Turn] = field(default_factory=deque)
    results: dict[str, TurnResult] = field(default_factory=dict)
    epoch: int = 0
    holder: str = ""
    running: str = ""
    attempts: int = 0  # at the running turn, before this one
    ending: bool = False
    ended: bool = False
    streamed: bool = False

    @classmethod
    def of(cls, state: ConversationState, epoch: int) -> "_Desk":
        """The desk of a call, as far as its state tells."""
        results = {record.turn_id: record.result(state.call_sid) for record in state.turns}
        return cls(life=state.created_at, results=results, epoch=epoch, ended=state.ended is not None)

    def waiting(self, turn_id: str) -> bool:
        return any(turn.turn_id == turn_id for turn in self.inbox)

    def settle(self, turn_id: str) -> None:
        self.inbox = deque(turn for turn in self.inbox if turn.turn_id != turn_id)

    def holds(self, lease: Lease) -> bool:
        return self.holder == lease.holder and self.epoch == lease.epoch


def _cut_off(turn: Turn, behind: Sequence[Turn], *, was_begun: bool) -> Turn | None:
    """What of the turns `behind` may cut `turn` off; see `Claim.interruption`."""
    interruptions = [later for later in behind if later.kind == "interrupted"]
    words = [later for later in behind if later.has_words] if was_begun else []
    about_it = [later for later in interruptions if later.interrupts in (None, turn.turn_id)]
    return next(iter([*about_it, *words, *interruptions]), None)


def _ignore(_: object) -> None: ...


class InMemoryTurnStore:
    """Inboxes and leases in this process. A lease ends with its holder's task, so it has no time limit.

    `tell` gets what an ingress would hear over pub/sub, `notify` what a worker would; `wake` is called with the SID of
    a call that has a turn and no holder.
    """

    def __init__(
        self,
        states: StateManagerBase,
        *,
        max_active_calls: int | None = None,
        api_max_active_calls: int | None = None,
        tell: Callable[[Token | Settled], None] = _ignore,
        notify: Callable[[Arrival], None] = _ignore,
        wake: Callable[[str], None] = _ignore,
    ) -> None:
        self.states = states
        self.tell = tell
        self.notify = notify
        self.wake = wake
        self._dead_letters: deque[DeadLetter] = deque(maxlen=MOST_DEAD_LETTERS)
        self._limits = CallLimits(max_active_calls, api_max_active_calls)
        self._desks: dict[str, _Desk] = {}
        self._over = EndedEarly()
        self._erased = Tombstones()

    async def submit(
        self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False
    ) -> TurnResult | None:
        call_sid = checked_call_sid(turn.call_sid)
        if opening is not None and is_of_a_provider(opening) and call_sid in self._erased:
            raise CallErased
        try:
            desk = self._desk_for(await self._admit(call_sid, opening))
        except UnknownCall:
            if turn.kind == "ended":
                self._over.note(call_sid)
            raise
        if turn.turn_id in desk.results:
            return desk.results[turn.turn_id]
        if not desk.waiting(turn.turn_id):
            if desk.ended:
                raise CallEnded
            if len(desk.inbox) >= MOST_WAITING_TURNS:
                raise TurnRejected
            desk.inbox.append(turn)
            desk.ending = desk.ending or turn.kind == "ended"
            if desk.holder:
                self.notify(Arrival(call_sid, turn.turn_id, turn.kind, turn.text, turn.interrupts or ""))
        desk.streamed = desk.streamed or stream
        await self.states.keep_alive([call_sid], RUNNING_SECONDS)
        if not desk.holder:
            self.wake(call_sid)
        return None

    async def _admit(self, call_sid: str, opening: Mapping[str, Any] | None) -> ConversationState:
        """Let the call in if it is known or may begin."""
        state = await self.states.get_state(call_sid)
        if state is not None:
            return state
        if opening is None:
            raise UnknownCall
        if call_sid in self._over:
            raise CallEnded
        limit = self._limits.for_opening(opening)
        if limit is not None and await self.states.get_active_calls_count() >= limit:
            raise CallRefused
        return await self.states.create_state(call_sid, **opening)

    def _desk_for(self, state: ConversationState) -> _Desk:
        """The desk of the call; a new one if that at hand is of an earlier life of its SID, or of this process."""
        desk = self._desks.get(state.call_sid)
        if desk is None or desk.life != state.created_at:
            epoch = 0 if desk is None else desk.epoch
            desk = self._desks[state.call_sid] = _Desk.of(state, epoch)
        return desk

    async def find(self, call_sid: str, turn_id: str) -> Found:
        desk = self._desks.get(checked_call_sid(call_sid))
        if desk is None:
            state = await self.states.get_state(call_sid)  # it may have outlived the process that had the desk
            if state is None:
                return None
            desk = self._desk_for(state)
        waiting = next((turn for turn in desk.inbox if turn.turn_id == turn_id), None)
        return Waiting(waiting.model_dump_json()) if waiting is not None else desk.results.get(turn_id)

    async def waiting(self, call_sid: str) -> list[str]:
        desk = self._desks.get(checked_call_sid(call_sid))
        return [turn.turn_id for turn in desk.inbox] if desk is not None else []

    async def claim(self, call_sid: str, holder: str) -> Claim | None:
        desk = self._desks.get(call_sid)
        if desk is None or desk.holder or not desk.inbox:
            return None
        desk.epoch += 1
        desk.holder = holder
        return self._next(call_sid, desk, await self.states.get_state(call_sid))

    def _next(self, call_sid: str, desk: _Desk, state: ConversationState | None) -> Claim:
        turn = desk.inbox[0]
        was_begun, desk.running = desk.running == turn.turn_id, turn.turn_id
        if not was_begun:
            desk.attempts = 0
        return Claim(
            Lease(call_sid, desk.holder, desk.epoch),
            turn,
            state,
            ending=desk.ending,
            streamed=desk.streamed,
            attempt=desk.attempts + 1,
            interruption=_cut_off(turn, list(desk.inbox)[1:], was_begun=was_begun),
        )

    async def confirm(self, claim: Claim) -> bool:
        return not await self.renew([claim.lease])

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        return [lease for lease in leases if not self._desk(lease).holds(lease)]

    async def publish(self, lease: Lease, turn_id: str, piece: Piece) -> bool:
        held = self._desk(lease).holds(lease)
        if held:
            self.tell(Token(lease.call_sid, turn_id, lease.epoch, piece))
        return held

    async def commit(
        self, claim: Claim, state: ConversationState | None, record: TurnRecord, *, keep: bool = True
    ) -> Commit:
        lease = claim.lease
        desk = self._desk(lease)
        if not desk.holds(lease):
            return Commit("lost")
        status: Literal["committed", "gone"] = "gone" if state is None else "committed"
        written = None
        if state is not None:
            try:
                written = await self.states.update_state(state)
                if open_for := seconds_open(written):
                    await self.states.keep_alive([lease.call_sid], open_for)
            except StateConflict:
                stored = await self.states.get_state(lease.call_sid)
                if stored is not None:
                    return Commit("conflict", state=stored)
                status = "gone"
        result = record.result(lease.call_sid)
        desk.settle(record.turn_id)
        if status == "committed":
            desk.results[record.turn_id] = result
            desk.ended = desk.ended or (written is not None and written.ended is not None)
        self.tell(Settled(result, lease.epoch))
        return Commit(status, self._go_on(lease, desk, written, keep), written)

    def _go_on(self, lease: Lease, desk: _Desk, state: ConversationState | None, keep: bool) -> Claim | None:
        if desk.inbox and keep:
            return self._next(lease.call_sid, desk, state)
        desk.holder = ""
        if desk.inbox:
            self.wake(lease.call_sid)
        elif state is None:
            self._desks.pop(lease.call_sid, None)
        return None

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        desk = self._desks.get(call_sid)
        if desk is None or not desk.waiting(turn_id) or (desk.holder and desk.running == turn_id):
            return False
        desk.settle(turn_id)
        result = TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="dropped")
        desk.results[turn_id] = result
        self.tell(Settled(result, 0))
        return True

    async def release(self, claim: Claim) -> None:
        desk = self._desk(claim.lease)
        if desk.holds(claim.lease):
            desk.holder = ""
            if desk.inbox:
                self.wake(claim.lease.call_sid)

    async def retry_later(self, claim: Claim, seconds: float) -> None:
        desk = self._desk(claim.lease)
        if desk.holds(claim.lease):
            desk.attempts += 1
        await self.release(claim)

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        self._dead_letters.append(DeadLetter(turn=claim.turn, attempts=claim.attempt, reason=reason))

    async def dead_letters(self) -> list[DeadLetter]:
        return list(self._dead_letters)

    async def erase(self, call_sid: str) -> None:
        self._erased.lay(checked_call_sid(call_sid))
        if (desk := self._desks.get(call_sid)) is not None:
            self._desks[call_sid] = _Desk(epoch=desk.epoch)
        kept = [letter for letter in self._dead_letters if letter.turn.call_sid != call_sid]
        self._dead_letters = deque(kept, maxlen=MOST_DEAD_LETTERS)

    async def is_erased(self, call_sid: str) -> bool:
        return call_sid in self._erased

    def is_idle(self, call_sid: str) -> bool:
        """Whether no turn of the call runs or waits."""
        desk = self._desks.get(call_sid)
        return desk is None or not (desk.holder or desk.inbox)

    async def forget_expired(self) -> int:
        """Drop what calls without a state have left behind; how many calls that were."""
        idle = [sid for sid, desk in self._desks.items() if not desk.holder and not desk.inbox]
        gone = [sid for sid in idle if await self.states.get_state(sid) is None]
        for call_sid in gone:
            self._desks.pop(call_sid, None)
        return len(gone)

    def _desk(self, lease: Lease) -> _Desk:
        return self._desks.get(lease.call_sid) or _Desk()
