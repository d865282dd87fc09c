"""Frames to the provider, as JSON text. The provider ends the session after ten frames in a row that it cannot read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.conversation.actions import (
    Action,
    Gather,
    HangUp,
    Play,
    Record,
    SendDigits,
    SetLanguage,
    SetSpeech,
    Transfer,
)

MAX_TOKEN_CHARACTERS = 4000
HANDOFF = "live-agent-handoff"
HUNG_UP = "hang-up"
RECORDING = "recording"
PLAIN = SetSpeech()
_DEFAULTS: Mapping[str, object] = {"interruptible": True, "preemptible": False, "lang": None}
"""The provider's defaults of a text frame, which are left out."""


def text(token: str, *, is_last: bool = False, options: SetSpeech = PLAIN) -> str:
    """Return a text frame. `token` keeps its spaces; `is_last` ends the utterance."""
    chosen = {"interruptible": options.interruptible, "preemptible": options.preemptible, "lang": options.language}
    return _frame("text", token=token, last=is_last, **{k: v for k, v in chosen.items() if v != _DEFAULTS[k]})


def tokens(said: str, *, options: SetSpeech = PLAIN) -> Iterator[str]:
    """Yield `said` as text frames of at most `MAX_TOKEN_CHARACTERS` each."""
    for begin in range(0, len(said), MAX_TOKEN_CHARACTERS):
        yield text(said[begin : begin + MAX_TOKEN_CHARACTERS], options=options)


def action_frame(action: Action) -> str | None:
    """Return the frame that carries out `action`, or None if it needs no frame."""
    match action:
        case Play():
            return _frame(
                "play",
                source=action.url,
                loop=action.loop,
                preemptible=action.preemptible,
                interruptible=action.interruptible,
            )
        case SendDigits():
            return _frame("sendDigits", digits=action.digits)
        case SetLanguage(speech=None, recognition=None) | Gather(language=None):
            return None
        case SetLanguage():
            return language(action.speech, action.recognition)
        case Gather():
            return language(None, action.language)
    return None


def end(action: Action, turn_id: str = "") -> str:
    """Return the frame that ends the session: `Transfer` connects the caller with a person, `Record` records them, all
    else hangs up. `turn_id` is the turn by whose reply the caller leaves; "" if it is none's.
    """
    if isinstance(action, Transfer | Record):
        left = {"turn_id": turn_id, "action": _without_words(action)} if turn_id else {}
        if isinstance(action, Record):
            return _end({"reasonCode": RECORDING, **left})
        return _end({"reasonCode": HANDOFF, "reason": action.reason, "to": action.targets[0], **left})
    return _end({"reasonCode": HUNG_UP, "reason": action.reason if isinstance(action, HangUp) else ""})


def _without_words(action: Transfer | Record) -> dict[str, Any]:
    """Return the action without what is announced, which is read from the state: the provider may log the frame."""
    fields = action.model_dump(mode="json")
    return fields | {"announce": ""} if "announce" in fields else fields


def _end(handoff: Mapping[str, Any]) -> str:
    return _frame("end", handoffData=json.dumps(handoff, ensure_ascii=False))


def language(speech: str | None, recognition: str | None) -> str:
    """Return the frame that sets the languages of speech and of recognition; None leaves one as it is."""
    chosen = {"ttsLanguage": speech, "transcriptionLanguage": recognition}
    return _frame("language", **{name: tag for name, tag in chosen.items() if tag})


def _frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)
