"""Frames to the provider, as the JSON that goes out. Ten bad ones in a row would end the session."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.conversation.actions import Action, Gather, HangUp, Play, SendDigits, SetLanguage, SetSpeech, Transfer

MOST_TOKEN_CHARACTERS = 4000
HANDOFF = "live-agent-handoff"
HUNG_UP = "hang-up"
PLAIN = SetSpeech()
_UNSAID: Mapping[str, object] = {"interruptible": True, "preemptible": False, "lang": None}
"""What a text frame need not say."""


def text(token: str, *, is_last: bool = False, speech: SetSpeech = PLAIN) -> str:
    """A piece of speech, spaces and all; `is_last` ends the utterance."""
    chosen = {"interruptible": speech.interruptible, "preemptible": speech.preemptible, "lang": speech.language}
    return _frame("text", token=token, last=is_last, **{k: v for k, v in chosen.items() if v != _UNSAID[k]})


def tokens(said: str, *, speech: SetSpeech = PLAIN) -> Iterator[str]:
    """`said` as text frames of a bearable size."""
    for begin in range(0, len(said), MOST_TOKEN_CHARACTERS):
        yield text(said[begin : begin + MOST_TOKEN_CHARACTERS], speech=speech)


def action_frame(action: Action) -> str | None:
    """The frame that carries out `action`; None for one that sends nothing."""
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
            return _language(action.speech, action.recognition)
        case Gather():
            return _language(None, action.language)
    return None


def end(action: Action) -> str:
    """The end of the session: `Transfer` hands the caller over, anything else hangs up."""
    if isinstance(action, Transfer):
        return _end({"reasonCode": HANDOFF, "reason": action.reason, "to": action.to})
    return _end({"reasonCode": HUNG_UP, "reason": action.reason if isinstance(action, HangUp) else ""})


def _end(handoff: dict[str, str]) -> str:
    return _frame("end", handoffData=json.dumps(handoff, ensure_ascii=False))


def _language(speech: str | None, recognition: str | None) -> str:
    chosen = {"ttsLanguage": speech, "transcriptionLanguage": recognition}
    return _frame("language", **{name: tag for name, tag in chosen.items() if tag})


def _frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)
