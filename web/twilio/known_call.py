"""What is known of a call, for a webhook that does not simply bring its next turn."""

from dataclasses import dataclass, field, replace

from orchestrator import clock
from orchestrator.conversation.absence import left_by
from orchestrator.conversation.actions import HandOff
from orchestrator.conversation.sensitive import awaits_sensitive
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_PREFIX, Turn
from orchestrator.turns.unheard import is_unfetched, unheard_records
from web.ingress import Ingress
from web.sensitive_turns import SensitiveTurns
from web.store_call import store_call
from web.twilio.awaited_turn import AwaitedTurn
from web.twilio.language import Languages
from web.twilio.turn_ids import START, number_of

READ_SECONDS = 2.0
REPEATED_FOR_SECONDS = 900.0
"""How long a reply is given again to repeated requests. Every retry comes much sooner, even when two clocks differ by
ten minutes; a captured webhook may be replayed at any time."""
REPEATED_AFTER_END_SECONDS = 120.0
"""The same for a call that has ended: only copies that were under way can still come."""


@dataclass(frozen=True)
class KnownCall:
    """The state of a call, and the ids of the turns that have no reply yet, in order."""

    state: ConversationState
    waiting: tuple[str, ...]
    sensitive_turns: SensitiveTurns = field(repr=False)

    @classmethod
    async def read(cls, ingress: Ingress, call_sid: str) -> "KnownCall | None":
        """Return what is known of a call; None when it has no state. Raise `StoreUnavailable` or `UnreadableState`."""
        return await store_call(cls._read(ingress, call_sid), READ_SECONDS)

    @classmethod
    async def _read(cls, ingress: Ingress, call_sid: str) -> "KnownCall | None":
        # In this order, a turn that is answered in between is in both results, and never in neither.
        waiting = await ingress.runtime.dispatcher.waiting(call_sid)
        state = await ingress.runtime.states.get_state(call_sid)
        return None if state is None else cls(state, tuple(waiting), ingress.sensitive_turns)

    @property
    def has_progressed(self) -> bool:
        """True if the caller has done something after the call's beginning."""
        turn_ids = [*(record.turn_id for record in self.state.turns), *self.waiting]
        return any(turn_id != START and not turn_id.startswith(OWN_PREFIX) for turn_id in turn_ids)

    @property
    def running_turn_id(self) -> str | None:
        """The id of the latest waiting turn over webhooks; None when there is none."""
        return next((turn_id for turn_id in reversed(self.waiting) if number_of(turn_id) is not None), None)

    @property
    def next_number(self) -> int:
        """The number after the highest one that a turn over webhooks has had."""
        turn_ids = [*(record.turn_id for record in self.state.turns), *self.waiting]
        numbers = [number for turn_id in turn_ids if (number := number_of(turn_id)) is not None]
        return max(numbers, default=0) + 1

    @property
    def is_long_over(self) -> bool:
        """True if the call ended so long ago that no retry can come any more."""
        end = self.state.ended
        return end is not None and clock.now() - end.at.timestamp() > REPEATED_AFTER_END_SECONDS

    @property
    def last_reply(self) -> TurnRecord | None:
        """The last turn that a webhook has brought, and whose reply has text or actions."""
        answered = (
            r for r in reversed(self.state.turns)
            if r.outcome != "dropped" and r.kind != "ended" and not is_unfetched(r)
        )  # fmt: skip
        return next((r for r in answered if r.reply.text or r.reply.actions or r.preceding), None)

    @property
    def has_left(self) -> bool:
        """True if the last reply connected the caller with a person, or recorded a message."""
        return left_by(self.state) is not None

    def languages_before(self, record: TurnRecord | None, languages: Languages) -> Languages:
        """Return the languages before the caller hears the reply of `record` and what precedes it, starting from
        `languages` and the agent that had the call first. None stands for the next reply. They are sensitive if what
        the caller says after it is."""
        languages = replace(languages.of_agent(self._first_agent), sensitive=awaits_sensitive(self.state))
        first = self._first_heard_with(record)
        for earlier in self.state.turns:
            if earlier is first:
                break
            languages = languages.after(earlier.reply.actions)
        return languages

    def _first_heard_with(self, record: TurnRecord | None) -> TurnRecord | None:
        """Return the first record whose reply the caller hears together with that of `record`, or hears next."""
        turns = self.state.turns
        place = next((i for i, it in enumerate(turns) if it is record), len(turns))
        earlier = self.state.model_copy(update={"turns": turns[:place]})
        return next(iter(unheard_records(earlier)), record)

    @property
    def _first_agent(self) -> str:
        handed_on = (r for r in self.state.turns if any(isinstance(it, HandOff) for it in r.reply.actions))
        return next((record.agent for record in handed_on), self.state.agent)

    def may_repeat(self, awaited: AwaitedTurn) -> bool:
        """True if the webhook is a retry, and its recorded reply may be given again."""
        if self.is_long_over:
            return False
        record = self.state.record_of(awaited.turn_id)
        if record is None:
            return True
        turn = awaited.held.turn if awaited.held is not None else None
        if turn is not None and not self.is_same(turn, record):
            return False
        return (turn is not None and turn.received_at == record.received_at) or is_fresh(record)

    def is_same(self, turn: Turn, record: TurnRecord) -> bool:
        """True if `turn` repeats the one of `record`."""
        return self.sensitive_turns.is_same(turn, record, self.state)


def is_fresh(record: TurnRecord) -> bool:
    """True if the reply is recent enough to be given again."""
    return clock.now() - record.committed_at.timestamp() <= REPEATED_FOR_SECONDS
