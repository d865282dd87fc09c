"""Frames from the provider. Reading never fails: bad text becomes `Malformed`, an unknown type `Unknown`.

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
    """The first frame, which names the call. `parameters` are those of our TwiML."""

    call_sid: str
    session_id: str
    from_number: str = ""
    to_number: str = ""
    direction: str = "inbound"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the caller says; the whole of it if `is_last`."""

    text: str
    language: str | None = None
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller pressed one key."""

    key: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The caller spoke or pressed a key when `heard` of an utterance had been spoken."""

    heard: str
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderError:
    """The provider could not use one of our frames, or had an error of its own."""

    description: str


@dataclass(frozen=True, slots=True)
class Info:
    """What the provider is doing, such as `agentSpeaking` = `off`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of a type that this version does not know."""

    type: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Text that is not a frame. `why` says what is wrong with it."""

    why: str


InboundFrame = Setup | Prompt | Dtmf | Interrupt | ProviderError | Info | Unknown | Malformed


def read_frame(text: str) -> InboundFrame:
    """Return the frame in `text`."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return Malformed("not JSON")
    if not isinstance(fields, dict):
        return Malformed("not a JSON object")
    kind = fields.get("type")
    if not isinstance(kind, str):
        return Malformed("no type")
    reader = _READERS.get(kind)
    return reader(fields) if reader is not None else Unknown(_clean(kind[:40]))


def _setup(fields: dict[str, Any]) -> InboundFrame:
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


def _prompt(fields: dict[str, Any]) -> InboundFrame:
    if not isinstance(fields.get("voicePrompt"), str):
        return Malformed("prompt: no voicePrompt")
    last = fields.get("last", True)
    return Prompt(_text(fields, "voicePrompt").strip(), _text(fields, "lang") or None, last not in (False, "false"))


def _dtmf(fields: dict[str, Any]) -> InboundFrame:
    key = str(fields.get("digit", "")).upper()
    return Dtmf(key) if key in KEYS else Malformed("dtmf: no key")


def _interrupt(fields: dict[str, Any]) -> InboundFrame:
    return Interrupt(_text(fields, "utteranceUntilInterrupt"), _integer(fields.get("durationUntilInterruptMs")))


def _error(fields: dict[str, Any]) -> InboundFrame:
    return ProviderError(_text(fields, "description")[:500])


def _info(fields: dict[str, Any]) -> InboundFrame:
    return Info(_text(fields, "name"), _clean(str(fields.get("value", ""))[:500]))


_READERS: Mapping[str, Callable[[dict[str, Any]], InboundFrame]] = {
    "setup": _setup,
    "prompt": _prompt,
    "dtmf": _dtmf,
    "interrupt": _interrupt,
    "error": _error,
    "info": _info,
}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Return `text` without halves of surrogate pairs, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _integer(value: object) -> int | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None
