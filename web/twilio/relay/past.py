"""What a new session needs to know of a call that goes on: all of it comes from the state."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.conversation.actions import Action, Gather, HangUp, Play, SetLanguage, Transfer
from orchestrator.conversation.state import ConversationState, TurnRecord
from web.twilio.relay.hearing import not_surely_heard


@dataclass(frozen=True)
class Unsaid:
    """The part of a reply that is to be said again, what was heard before it, and what is still to be done."""

    turn_id: str
    heard: str
    rest: str
    actions: tuple[Action, ...] = ()


def left_unsaid(state: ConversationState, lost_at: datetime) -> Unsaid | None:
    """What was not surely heard of the last reply when the line was lost; None when there is nothing to say or do.

    Which words were spoken when an ingress died, nobody knows; the reply was there at `committed_at` at the latest.
    """
    record = next((r for r in reversed(state.turns) if r.reply.text or r.reply.actions or r.heard is not None), None)
    if record is None or record.heard is not None:
        return None
    spoken = (lost_at - record.committed_at).total_seconds()
    rest = not_surely_heard(record.reply.text, spoken)
    actions = tuple(action for action in record.reply.actions if _is_due(action, rest))
    if not rest and not actions:
        return None
    heard = record.reply.text[: len(record.reply.text) - len(rest)]
    return Unsaid(record.turn_id, heard, rest, actions)


def _is_due(action: Action, rest: str) -> bool:
    """The call did not end, so no end was carried out; a file follows the text, and was heard no more than that."""
    return isinstance(action, HangUp | Transfer) or (isinstance(action, Play) and bool(rest))


def languages(state: ConversationState) -> SetLanguage | None:
    """The languages that were chosen so far; a new session begins with the default ones."""
    chosen = [action for action in _actions(state.turns) if isinstance(action, SetLanguage)]
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
