"""Frames from the provider. Reading one never fails: what is no frame becomes `Malformed`, what is new `Unknown`.

The provider's rules: unknown types and fields are ignored; a missing `last` means true; partial prompts are
cumulative, and the one with `last` carries the whole text; `durationUntilInterruptMs` may be a string.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.errors import BadCallSid

MAX_SESSION_ID = 128
KEYS = frozenset("0123456789*#ABCD")


@dataclass(frozen=True, slots=True)
class Setup:
    """The first frame: which call this is. `parameters` are those that our TwiML gave."""

    call_sid: str
    session_id: str
    from_number: str = ""
    to_number: str = ""
    direction: str = "inbound"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the caller says; the whole of it when `is_last`."""

    text: str
    language: str | None = None
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Dtmf:
    """One key was pressed."""

    key: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The caller spoke or pressed a key while `heard` of an utterance had been spoken."""

    heard: str
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """The provider did not like a frame of ours, or had an error of its own."""

    description: str


@dataclass(frozen=True, slots=True)
class Info:
    """What the provider is doing, such as `agentSpeaking` = `off`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A type of frame that this version does not know."""

    type: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not a frame; `why` says what is wrong with it."""

    why: str


Inbound = Setup | Prompt | Dtmf | Interrupt | Trouble | Info | Unknown | Malformed


def read(text: str) -> Inbound:
    """The frame in `text`."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return Malformed("no JSON")
    if not isinstance(fields, dict):
        return Malformed("no JSON object")
    kind = fields.get("type")
    if not isinstance(kind, str):
        return Malformed("no type")
    reader = _READERS.get(kind)
    return reader(fields) if reader is not None else Unknown(kind[:40])


def _setup(fields: dict[str, Any]) -> Inbound:
    try:
        call_sid = checked_call_sid(_text(fields, "callSid"))
    except BadCallSid as error:
        return Malformed(f"setup: {error}")
    session_id = _text(fields, "sessionId")
    if len(session_id) > MAX_SESSION_ID or not session_id.isprintable():
        return Malformed("setup: the sessionId is too long, or not printable")
    parameters = fields.get("customParameters")
    return Setup(
        call_sid,
        session_id,
        from_number=_text(fields, "from"),
        to_number=_text(fields, "to"),
        direction=_text(fields, "direction") or "inbound",
        parameters={_clean(k): _text(parameters, k) for k in parameters} if isinstance(parameters, dict) else {},
    )


def _prompt(fields: dict[str, Any]) -> Inbound:
    if not isinstance(fields.get("voicePrompt"), str):
        return Malformed("prompt: no voicePrompt")
    last = fields.get("last", True)
    return Prompt(_text(fields, "voicePrompt").strip(), _text(fields, "lang") or None, last not in (False, "false"))


def _dtmf(fields: dict[str, Any]) -> Inbound:
    key = str(fields.get("digit", "")).upper()
    return Dtmf(key) if key in KEYS else Malformed("dtmf: no key")


def _interrupt(fields: dict[str, Any]) -> Inbound:
    return Interrupt(_text(fields, "utteranceUntilInterrupt"), _whole(fields.get("durationUntilInterruptMs")))


def _trouble(fields: dict[str, Any]) -> Inbound:
    return Trouble(_text(fields, "description")[:500])


def _info(fields: dict[str, Any]) -> Inbound:
    return Info(_text(fields, "name"), str(fields.get("value", ""))[:500])


_READERS: Mapping[str, Callable[[dict[str, Any]], Inbound]] = {
    "setup": _setup,
    "prompt": _prompt,
    "dtmf": _dtmf,
    "interrupt": _interrupt,
    "error": _trouble,
    "info": _info,
}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _whole(value: object) -> int | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None
