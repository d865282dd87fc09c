"""TwiML as the provider reads it: a document becomes a list of verbs, or it is refused.

This is stricter than Twilio, which skips unknown verbs: an unknown verb or a bad number is refused here, as other
providers of the same dialect do, so that a test notices it before a caller does.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

from orchestrator.provider_simulator.bad_twiml import BadTwiml as BadTwiml
from orchestrator.provider_simulator.speech_attributes import (
    Recogniser,
    RelayVoices,
    recogniser,
    relay_voices,
    say_voice,
)

MAX_DOCUMENT_BYTES = 64 * 1024
"""The provider's limit for one response."""

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Say:
    """Speak `text`. `agent` is who says it, if that is known."""

    text: str
    language: str = ""
    voice: str = ""
    agent: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Play:
    """Play a file, or press keys when `digits` is set."""

    url: str = ""
    digits: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stay silent."""

    seconds: float = 1


Prompt = Say | Play | Pause


@dataclass(frozen=True, slots=True)
class Gather:
    """Ask. `inputs` holds `speech`, `dtmf` or both; `action` None means the document's own address."""

    action: str | None = None
    method: Method = "POST"
    inputs: frozenset[str] = frozenset({"dtmf"})
    timeout_seconds: float = 5
    num_digits: int | None = None
    finish_on_key: str = "#"
    action_on_empty_result: bool = False
    prompts: tuple[Prompt, ...] = ()
    recogniser: Recogniser = field(default_factory=Recogniser)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Continue with another document."""

    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the caller with `to`. With an `action`, that document follows when they have hung up."""

    to: str
    action: str | None = None
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Reject the call: it is not answered and costs nothing."""

    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect the call to a socket: `<ConversationRelay>` or `<Stream>`, named by `kind`."""

    kind: str
    url: str
    action: str | None = None
    method: Method = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)
    voices: RelayVoices = field(default_factory=RelayVoices, compare=False)


Verb = Say | Play | Pause | Gather | Redirect | Dial | Hangup | Reject | Connect


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
        action_on_empty_result=element.get("actionOnEmptyResult", "false").lower() == "true",
        prompts=tuple(_prompts(element)),
        recogniser=recogniser(element),
    )


def _redirect(element: ElementTree.Element) -> Redirect:
    return Redirect(_needed(element, _text(element), "address"), _method(element))


def _dial(element: ElementTree.Element) -> Dial:
    to = _needed(element, _text(element), "number")
    return Dial(to, element.get("action"), _method(element))


def _connect(element: ElementTree.Element) -> Connect:
    child = next(iter(element), None)
    if child is None:
        raise BadTwiml("<Connect> names nothing to connect to.")
    parameters = {p.get("name", ""): p.get("value", "") for p in child.findall("Parameter")}
    voices = relay_voices(child) if child.tag == "ConversationRelay" else RelayVoices()
    return Connect(child.tag, child.get("url", ""), element.get("action"), _method(element), parameters, voices)


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
    "Connect": _connect,
    "Hangup": lambda _: Hangup(),
    "Reject": lambda element: Reject(element.get("reason", "rejected")),
}
