"""Replies that repeat what sensitive turns brought: hidden where they are kept, opened where they are spoken."""

import json
from typing import Any

from orchestrator.conversation.actions import (
    SCHEDULE_ACTIONS,
    Action,
    Gather,
    HandOff,
    HangUp,
    Play,
    SendDigits,
    SendMessage,
    SetTimer,
    StartActivity,
    Transfer,
)
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.sensitive_turns.hiding import turn_place
from orchestrator.sensitive_turns.redaction import Redacted, Redaction

_WORDS: dict[type, tuple[str, ...]] = {
    HangUp: ("reason",),
    Transfer: ("to", "reason", "announce"),
    Gather: ("hints",),
    Play: ("url",),
    HandOff: ("note",),
    SetTimer: ("data",),
    StartActivity: ("args",),
    SendMessage: ("to", "text"),
}
"""The fields of actions that may hold words."""
PAUSE = "w"
"""Stands for hidden keys: a record with other characters could not be read."""


def hidden_reply(reply: Reply, redaction: Redaction, call_sid: str, cipher: Cipher) -> Reply:
    """Return `reply` as it is kept: what sensitive turns brought is hidden in it, and all of it is in `sealed_words`.

    It stays as it is if it repeats nothing of that.
    """
    redacted = redaction.redacted(reply.text)
    actions = [_moved(_hidden_action(action, redaction, call_sid, cipher), redacted) for action in reply.actions]
    if not redacted.spans and actions == reply.actions:
        return reply
    return with_whole(reply.model_copy(update={"text": redacted.text, "actions": actions}), reply, call_sid, cipher)


def with_whole(kept: Reply, whole: Reply, call_sid: str, cipher: Cipher) -> Reply:
    """Return `kept`, which hides something, with the `whole` reply in its `sealed_words`."""
    content = whole.model_copy(update={"sealed_words": ""}).model_dump_json().encode()
    return kept.model_copy(update={"sealed_words": cipher.seal(reply_place(call_sid), content).decode()})


def opened_reply(reply: Reply, call_sid: str, cipher: Cipher | None) -> Reply:
    """Return `reply` as the caller hears it. One that no key opens stays as it is."""
    if not reply.sealed_words or cipher is None:
        return reply
    try:
        return Reply.model_validate_json(cipher.open(reply_place(call_sid), reply.sealed_words.encode()))
    except UnreadableSeal:
        return reply


def opened_result(result: TurnResult, cipher: Cipher | None) -> TurnResult:
    """Return `result` with its replies as the caller hears them."""
    if not any(reply.sealed_words for reply in (result.reply, *result.preceding)):
        return result
    preceding = [_said(opened_reply(reply, result.call_sid, cipher)) for reply in result.preceding]
    reply = opened_reply(result.reply, result.call_sid, cipher)
    return result.model_copy(update={"reply": reply, "preceding": preceding})


def opened_words(sealed_words: str, call_sid: str, cipher: Cipher | None) -> dict[str, Any]:
    """Return the fields of an action that were hidden. Raise `UnreadableSeal`."""
    if cipher is None:
        raise UnreadableSeal("It has words of a sensitive turn, and no key is set here.", is_key_missing=True)
    fields: dict[str, Any] = json.loads(cipher.open(turn_place(call_sid), sealed_words.encode()))
    return fields


def _hidden_action(action: Action, redaction: Redaction, call_sid: str, cipher: Cipher) -> Action:
    if isinstance(action, SendDigits):
        return action.model_copy(update={"digits": PAUSE}) if redaction.is_in(action.digits) else action
    fields = {name: getattr(action, name) for name in _WORDS.get(type(action), ())}
    hidden = {name: _hidden_field(name, value, redaction) for name, value in fields.items()}
    if hidden == fields:
        return action
    if isinstance(action, SCHEDULE_ACTIONS):  # what is carried out later has to open it by itself
        sealed = cipher.seal(turn_place(call_sid), json.dumps(fields, separators=(",", ":")).encode())
        hidden["sealed_words"] = sealed.decode()
    return action.model_copy(update=hidden)


def _hidden_field(name: str, value: Any, redaction: Redaction) -> Any:
    if isinstance(value, tuple):
        return tuple(_hidden_field(name, one, redaction) for one in value)
    hidden = redaction.value(value)
    return HIDDEN if name == "to" and hidden != value else hidden  # a part of a number is none


def _moved(action: Action, redacted: Redacted) -> Action:
    """Return an inline action at its place in the redacted text."""
    at = getattr(action, "at", None)
    return action if at is None else action.model_copy(update={"at": redacted.place(at)})


def _said(reply: Reply) -> Reply:
    actions = [action for action in reply.actions if not isinstance(action, SCHEDULE_ACTIONS)]
    return reply.model_copy(update={"actions": actions})


def reply_place(call_sid: str) -> str:
    """Return what the encrypted reply of a turn is bound to."""
    return f"{call_sid}/reply"
