"""What a new session needs to know of a call that goes on: all of it comes from the state."""

import math
from dataclasses import dataclass

from orchestrator.conversation.actions import (
    Action,
    Gather,
    HangUp,
    InlineAction,
    SendDigits,
    SetLanguage,
    SetSpeech,
    Transfer,
    inline_actions,
)
from orchestrator.conversation.reply import Position, in_order
from orchestrator.conversation.state import ConversationState, TurnRecord
from web.twilio.relay.connection_history import ConnectionHistory
from web.twilio.relay.playout_clock import text_to_repeat


@dataclass(frozen=True)
class UnheardRest:
    """What of a reply is to be said, and done amid it, again; what was heard before; how the reply ends the call."""

    turn_id: str
    heard: str
    parts: tuple[str | InlineAction, ...] = ()
    ending: tuple[HangUp | Transfer, ...] = ()


def unheard_rest(
    state: ConversationState, history: ConnectionHistory, *, sure_from: float = -math.inf, late_by: float = 0.0
) -> UnheardRest | None:
    """What was not surely heard of the last reply on any of the `history`; None when there is nothing to say or do.

    Which words were spoken when an ingress died, nobody knows; the reply was there at `committed_at` at the latest,
    but an ingress may have heard of it so many seconds `late_by`, and if Redis was away not before `sure_from` (Unix
    seconds).
    """
    record = next((r for r in reversed(state.turns) if r.reply.text or r.reply.actions or r.heard is not None), None)
    if record is None or record.heard is not None:
        return None
    rest = text_to_repeat(
        record.reply.text, history.spoken_seconds(record.committed_at.timestamp() + late_by, sure_from)
    )
    ending = tuple(action for action in record.reply.actions if isinstance(action, HangUp | Transfer))
    if not rest and not ending:  # the call did not end, so no end was carried out
        return None
    text = record.reply.text
    since = len(text) - len(rest)
    due = [action for action in inline_actions(record.reply.actions) if rest and _is_due(action, since)]
    return UnheardRest(record.turn_id, text[:since], tuple(in_order(text, due, Position(since))), ending)


def _is_due(action: InlineAction, since: int) -> bool:
    """What comes after the text that was heard was not heard either, but keys are not pressed twice. How the rest is
    spoken may have been said before it."""
    return isinstance(action, SetSpeech) or (
        not isinstance(action, SendDigits) and (action.at is None or action.at >= since)
    )


def languages(state: ConversationState, rest: UnheardRest | None = None) -> SetLanguage | None:
    """The languages that were chosen so far, but for what is `rest`; a new session begins with the default ones."""
    later = [id(part) for part in rest.parts] if rest is not None else []
    chosen = [a for a in _actions(state.turns) if isinstance(a, SetLanguage) and id(a) not in later]
    speech = next((action.speech for action in reversed(chosen) if action.speech), None)
    recognition = next((action.recognition for action in reversed(chosen) if action.recognition), None)
    return SetLanguage(speech=speech, recognition=recognition) if speech or recognition else None


def asked(state: ConversationState) -> Gather:
    """How the answer to the last reply is to be taken."""
    spoken = [record for record in state.turns if record.reply.text]
    asked = [action for action in _actions(spoken[-1:]) if isinstance(action, Gather)]
    return asked[-1] if asked else Gather()


def _actions(turns: list[TurnRecord]) -> list[Action]:
    return [action for record in turns for action in record.reply.actions]
