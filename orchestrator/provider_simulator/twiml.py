"""TwiML as the provider reads it: a document becomes a list of verbs, or it is refused.

This is stricter than Twilio, which skips unknown verbs: an unknown verb or a bad number is refused here, as other
providers of the same dialect do, so that a test notices it before a caller does.
"""

from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree

from orchestrator.provider_simulator.bad_twiml import BadTwiml as BadTwiml
from orchestrator.provider_simulator.speech_attributes import RelayVoices, recogniser, relay_voices, say_voice
from orchestrator.provider_simulator.verbs import (
    Connect,
    Dial,
    Gather,
    Hangup,
    Method,
    Pause,
    Play,
    Prompt,
    Record,
    Redirect,
    Reject,
    Say,
    Target,
    Verb,
)

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "BadTwiml",
    "Connect",
    "Dial",
    "Gather",
    "Hangup",
    "Method",
    "Pause",
    "Play",
    "Prompt",
    "Record",
    "Redirect",
    "Reject",
    "Say",
    "Target",
    "Verb",
    "parse",
]

MAX_DOCUMENT_BYTES = 64 * 1024
"""The provider's limit for one response."""
MOST_TARGETS = 10
"""How many people the provider rings at once."""


def parse(document: str | bytes) -> list[Verb]:
    """Return the verbs of a `<Response>`, in order. Raise `BadTwiml`."""
    raw = document.encode() if isinstance(document, str) else document
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise BadTwiml(f"The document has {len(raw)} bytes; the provider takes at most {MAX_DOCUMENT_BYTES}.")
    root = _root(raw)
    if root.tag != "Response":
        raise BadTwiml(f"The document begins with <{root.tag}>; it must be a <Response>.")
    return [_verb(element) for element in root]


class _NoDoctype(ElementTree.TreeBuilder):
    # Entities need a document type; without one there is nothing to expand.
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadTwiml("The document declares a DOCTYPE; TwiML has none.")


def _root(raw: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(raw, ElementTree.XMLParser(target=_NoDoctype()))
    except ElementTree.ParseError as error:
        raise BadTwiml(f"The document is no XML: {error}.") from None


def _verb(element: ElementTree.Element) -> Verb:
    if element.tag not in _READERS:
        raise BadTwiml(f"<{element.tag}> is no verb that this phone knows.")
    return _READERS[element.tag](element)


def _text(element: ElementTree.Element) -> str:
    """Return everything spoken: SSML inside a Say counts with its text."""
    return " ".join("".join(element.itertext()).split())


def _method(element: ElementTree.Element) -> Method:
    method = element.get("method", "POST").upper()
    if method not in ("GET", "POST"):
        raise BadTwiml(f'<{element.tag} method="{method}">: the method must be GET or POST.')
    return "GET" if method == "GET" else "POST"


def _number(element: ElementTree.Element, name: str, default: float) -> float:
    value = element.get(name)
    try:
        number = default if value is None else float(int(value))
    except ValueError:
        number = -1
    if number < 0:
        raise BadTwiml(f'<{element.tag} {name}="{value}">: {name} must be a whole number of 0 or more.')
    return number


def _needed(element: ElementTree.Element, value: str, what: str) -> str:
    if not value:
        raise BadTwiml(f"<{element.tag}> names no {what}.")
    return value


def _say(element: ElementTree.Element) -> Say:
    return Say(_text(element), element.get("language", ""), say_voice(element))


def _play(element: ElementTree.Element) -> Play:
    digits = element.get("digits", "")
    return Play(digits=digits) if digits else Play(url=_needed(element, _text(element), "file"))


def _pause(element: ElementTree.Element) -> Pause:
    return Pause(_number(element, "length", 1))


def _prompts(element: ElementTree.Element) -> Iterator[Prompt]:
    for child in element:
        if child.tag not in _PROMPT_READERS:
            raise BadTwiml(f"<{child.tag}> may not stand in a <Gather>: only Say, Play and Pause may.")
        yield _PROMPT_READERS[child.tag](child)


def _inputs(element: ElementTree.Element) -> frozenset[str]:
    inputs = frozenset(element.get("input", "dtmf").split())
    if not inputs or not inputs <= {"dtmf", "speech"}:
        raise BadTwiml(f'<Gather input="{element.get("input")}">: the input is dtmf, speech or both.')
    return inputs


def _gather(element: ElementTree.Element) -> Gather:
    digits = int(_number(element, "numDigits", 0))
    return Gather(
        action=element.get("action"),
        method=_method(element),
        inputs=_inputs(element),
        timeout_seconds=_number(element, "timeout", 5),
        num_digits=digits or None,
        finish_on_key=element.get("finishOnKey", "#"),
        action_on_empty_result=_boolean(element, "actionOnEmptyResult", default=False),
        prompts=tuple(_prompts(element)),
        recogniser=recogniser(element),
    )


def _redirect(element: ElementTree.Element) -> Redirect:
    return Redirect(_needed(element, _text(element), "address"), _method(element))


def _dial(element: ElementTree.Element) -> Dial:
    targets = tuple(_target(child) for child in element) or (Target(_needed(element, _text(element), "number")),)
    if len(targets) > MOST_TARGETS:
        raise BadTwiml(f"<Dial> rings {len(targets)} people; the provider takes at most {MOST_TARGETS}.")
    return Dial(
        targets=targets,
        action=element.get("action"),
        method=_method(element),
        timeout_seconds=_number(element, "timeout", 30),
        caller_id=element.get("callerId"),
        is_sequential=_boolean(element, "sequential", default=False),
    )


def _target(element: ElementTree.Element) -> Target:
    if element.tag not in _PREFIXES:
        raise BadTwiml(f"<{element.tag}> may not stand in a <Dial> here: only Number, Sip and Client may.")
    named = _PREFIXES[element.tag] + _needed(element, _text(element), "number")
    return Target(named, element.get("url"), _method(element))


def _record(element: ElementTree.Element) -> Record:
    return Record(
        action=element.get("action"),
        method=_method(element),
        timeout_seconds=_number(element, "timeout", 5),
        max_seconds=_number(element, "maxLength", 3600),
        finish_on_key=element.get("finishOnKey", "1234567890*#"),
        beeps=_boolean(element, "playBeep", default=True),
    )


def _boolean(element: ElementTree.Element, name: str, *, default: bool) -> bool:
    value = element.get(name, str(default)).lower()
    if value not in ("true", "false"):
        raise BadTwiml(f'<{element.tag} {name}="{value}">: {name} must be true or false.')
    return value == "true"


def _connect(element: ElementTree.Element) -> Connect:
    child = next(iter(element), None)
    if child is None:
        raise BadTwiml("<Connect> names nothing to connect to.")
    parameters = {p.get("name", ""): p.get("value", "") for p in child.findall("Parameter")}
    voices = relay_voices(child) if child.tag == "ConversationRelay" else RelayVoices()
    return Connect(
        child.tag, child.get("url", ""), element.get("action"), _method(element), parameters, voices,
        reconnects=_boolean(child, "applicationReconnect", default=False),
    )  # fmt: skip


_PREFIXES = {"Number": "", "Sip": "", "Client": "client:"}
_PROMPT_READERS: Mapping[str, Callable[[ElementTree.Element], Prompt]] = {
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
}
_READERS: Mapping[str, Callable[[ElementTree.Element], Verb]] = {
    **_PROMPT_READERS,
    "Gather": _gather,
    "Redirect": _redirect,
    "Dial": _dial,
    "Record": _record,
    "Connect": _connect,
    "Hangup": lambda _: Hangup(),
    "Reject": lambda element: Reject(element.get("reason", "rejected")),
}
