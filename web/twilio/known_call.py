"""How a known call stands, for a webhook that does not simply bring its next turn."""

from dataclasses import dataclass

from orchestrator import clock
from orchestrator.conversation.actions import SetLanguage, Transfer
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.language import Languages
from web.twilio.turn_ids import START, number_of

READ_SECONDS = 2.0
REPEATED_FOR_SECONDS = 900.0
"""So long a reply is given again to who asks for it again. Every retry comes much sooner, also by clocks that are ten
minutes apart; a webhook that somebody has captured may come at any time."""
REPEATED_AFTER_END_SECONDS = 120.0
"""The same for a call that has ended: copies that were on their way come, and nobody waits for a reply any more."""


@dataclass(frozen=True)
class KnownCall:
    """The state of a call, and the ids of the turns that have no reply yet, in order."""

    state: ConversationState
    waiting: tuple[str, ...]

    @classmethod
    async def read(cls, ingress: Ingress, call_sid: str) -> "KnownCall | None":
        """How the call stands; None when nobody knows it. Raises `StoreUnavailable` and `UnreadableState`."""
        return await store_call(cls._read(ingress, call_sid), READ_SECONDS)

    @classmethod
    async def _read(cls, ingress: Ingress, call_sid: str) -> "KnownCall | None":
        # In this order: a turn that is answered in between is in both, and not in neither.
        waiting = await ingress.runtime.dispatcher.waiting(call_sid)
        state = await ingress.runtime.states.get_state(call_sid)
        return None if state is None else cls(state, tuple(waiting))

    @property
    def has_progressed(self) -> bool:
        """Whether there was more than the beginning of the call."""
        turn_ids = [*(record.turn_id for record in self.state.turns), *self.waiting]
        return any(turn_id != START for turn_id in turn_ids)

    @property
    def running_turn_id(self) -> str | None:
        """The turn that a caller over webhooks waits for."""
        return next((turn_id for turn_id in reversed(self.waiting) if number_of(turn_id) is not None), None)

    @property
    def next_number(self) -> int:
        """The first number that no turn has had, nor any before it that comes later."""
        turn_ids = [*(record.turn_id for record in self.state.turns), *self.waiting]
        numbers = [number for turn_id in turn_ids if (number := number_of(turn_id)) is not None]
        return max(numbers, default=0) + 1

    @property
    def is_long_over(self) -> bool:
        """Whether the call has ended so long ago that nobody who is entitled to it asks for a reply of it."""
        end = self.state.ended
        return end is not None and clock.now() - end.at.timestamp() > REPEATED_AFTER_END_SECONDS

    @property
    def last_reply(self) -> TurnRecord | None:
        """The last turn that was answered by something to hear or to do."""
        answered = (r for r in reversed(self.state.turns) if r.outcome != "dropped" and r.kind != "ended")
        return next((r for r in answered if r.reply.text or r.reply.actions), None)

    @property
    def was_transferred(self) -> bool:
        """Whether the caller was connected with a person last."""
        record = self.last_reply
        return record is not None and any(isinstance(action, Transfer) for action in record.reply.actions)

    def languages_before(self, record: TurnRecord | None, languages: Languages) -> Languages:
        """The languages that the call had chosen before the reply of `record` (None: by now)."""
        for earlier in self.state.turns:
            if earlier is record:
                break
            for action in earlier.reply.actions:
                if isinstance(action, SetLanguage):
                    languages = languages.changed_by(action)
        return languages

    def may_repeat(self, awaited: AwaitedTurn) -> bool:
        """Whether what is asked for is what was asked before, and its reply may be given again."""
        if self.is_long_over:
            return False
        record = self.state.record_of(awaited.turn_id)
        if record is None:
            return True
        turn = awaited.held.turn if awaited.held is not None else None
        if turn is not None and not is_same(turn, record):
            return False
        return (turn is not None and turn.received_at == record.received_at) or is_fresh(record)


def is_same(turn: Turn, record: TurnRecord) -> bool:
    """Whether `turn` is the one of `record`, come again. One that began a call afresh has lost its words."""
    if record.kind == "started":
        return True
    return (turn.kind, turn.text, turn.digits) == (record.kind, record.text, record.digits)


def is_fresh(record: TurnRecord) -> bool:
    """Whether the reply is young enough to be given again."""
    return clock.now() - record.committed_at.timestamp() <= REPEATED_FOR_SECONDS
