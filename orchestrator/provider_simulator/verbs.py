"""The verbs of a document, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from orchestrator.provider_simulator.speech_attributes import Recogniser, RelayVoices

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

    @property
    def is_sensitive(self) -> bool:
        """True if the server's own URL says that the answer is sensitive. The provider takes no notice of that."""
        return parse_qs(urlsplit(self.action or "").query).get("sensitive") == ["1"]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Continue with another document."""

    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody to ring: a number, a `sip:` address or `client:name`. With a `url`, that document is played to them when
    they answer, before they are connected: it may say something, ask for a key, and hang up on them.
    """

    to: str
    url: str | None = None
    method: Method = "POST"

    @property
    def is_number(self) -> bool:
        """True if this is a telephone number."""
        return not self.to.startswith(("sip:", "sips:", "client:"))


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the caller with the first of the `targets` to answer: all ring at once, or with `is_sequential` one after
    the other. With an `action`, that document follows when it is over, however it ended.
    """

    targets: tuple[Target, ...]
    action: str | None = None
    method: Method = "POST"
    timeout_seconds: float = 30
    caller_id: str | None = None
    is_sequential: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Record what the caller says. `action` None means the document's own address."""

    action: str | None = None
    method: Method = "POST"
    timeout_seconds: float = 5
    max_seconds: float = 3600
    finish_on_key: str = "1234567890*#"
    beeps: bool = True


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Reject the call: it is not answered and costs nothing."""

    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect the call to a socket: `<ConversationRelay>` or `<Stream>`, named by `kind`.

    `reconnects`: a socket that is lost is opened again, and what happened meanwhile is sent then.
    """

    kind: str
    url: str
    action: str | None = None
    method: Method = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)
    voices: RelayVoices = field(default_factory=RelayVoices, compare=False)
    reconnects: bool = False


Verb = Say | Play | Pause | Gather | Redirect | Dial | Record | Hangup | Reject | Connect
