"""Where a new session of a known call resumes. All of it follows from the state."""

import math
from dataclasses import dataclass

from orchestrator.conversation.actions import (
    LEAVING_ACTIONS,
    Action,
    Gather,
    HandOff,
    HangUp,
    InlineAction,
    Record,
    SendDigits,
    SetLanguage,
    SetSpeech,
    SetVoice,
    Transfer,
    inline_actions,
)
from orchestrator.conversation.reply import Position, in_order
from orchestrator.conversation.state import ConversationState, TurnRecord
from web.twilio.relay.connection_history import ConnectionHistory
from web.twilio.relay.playout_clock import text_to_repeat


@dataclass(frozen=True)
class UnheardRest:
    """The rest of a reply that the caller may not have heard.

    `heard` is the text before it, `parts` are the words and inline actions to repeat, and `ending` has the action by
    which the caller leaves, if there is one.
    """

    turn_id: str
    heard: str
    parts: tuple[str | InlineAction, ...] = ()
    ending: tuple[HangUp | Transfer | Record, ...] = ()


def unheard_rest(
    state: ConversationState, history: ConnectionHistory, *, certain_from: float = -math.inf, delay: float = 0.0
) -> UnheardRest | None:
    """Return the rest of the last reply, or None if nothing is left to say or do.

    When an ingress dies, nobody knows which words were spoken. The reply existed at `committed_at` at the latest, but
    an ingress may have received it up to `delay` seconds later and, if Redis was unavailable, not before `certain_from`
    (Unix seconds).
    """
    record = next((r for r in reversed(state.turns) if r.reply.text or r.reply.actions or r.heard is not None), None)
    if record is None or record.heard is not None:
        return None
    spoken_seconds = history.spoken_seconds(record.committed_at.timestamp() + delay, certain_from)
    text = record.reply.text
    rest = text_to_repeat(text, spoken_seconds)
    ending = tuple(action for action in record.reply.actions if isinstance(action, LEAVING_ACTIONS))
    if not rest and not ending:  # the call did not end, so no end was carried out
        return None
    since = len(text) - len(rest)
    due = [action for action in inline_actions(record.reply.actions) if rest and _is_due(action, since)]
    return UnheardRest(record.turn_id, text[:since], tuple(in_order(text, due, Position(since))), ending)


def _is_due(action: InlineAction, since: int) -> bool:
    """True if the action belongs to the rest that begins at `since`.

    What comes after the text that was heard was not carried out either, but keys are not pressed twice. `SetSpeech`
    may come before the rest and still apply to it.
    """
    return isinstance(action, SetSpeech) or (
        not isinstance(action, SendDigits) and (action.at is None or action.at >= since)
    )


def voice_changes(state: ConversationState, rest: UnheardRest | None = None) -> list[SetLanguage | SetVoice | HandOff]:
    """Return what has changed the language, the voice and the agent so far, without what `rest` repeats.

    A new session begins as its document says.
    """
    later = [id(part) for part in rest.parts] if rest is not None else []
    changes = [a for a in _actions(state.turns) if isinstance(a, SetLanguage | SetVoice | HandOff)]
    return [change for change in changes if id(change) not in later]


def last_gather(state: ConversationState) -> Gather:
    """Return how the answer to the last reply is collected."""
    spoken = [record for record in state.turns if record.reply.text]
    gathers = [action for action in _actions(spoken[-1:]) if isinstance(action, Gather)]
    return gathers[-1] if gathers else Gather()


def _actions(turns: list[TurnRecord]) -> list[Action]:
    return [action for record in turns for action in record.reply.actions]
