"""What a caller perceives in a call, in order."""

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.provider_simulator.twiml import Gather

EndedBy = Literal["caller", "agent", "problem"]
FinalStatus = Literal["completed", "busy", "no-answer", "failed"]


@dataclass(frozen=True, slots=True)
class Said:
    """The agent said something. `interruptible`: a question surrounds it and already accepts an answer.

    `spoken`: its words came as `Speaking` before; this is all of what was heard of them.
    """

    text: str
    interruptible: bool = False
    spoken: bool = False


@dataclass(frozen=True, slots=True)
class SpeakerChanged:
    """From here on this agent speaks, with this voice in this language. "" stands for what is not known."""

    agent: str = ""
    voice: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Speaking:
    """The agent is saying this right now (on a relay); `Said` follows when it has finished or was interrupted.

    `unaware`: the server sent it before it had received what the caller said last.
    """

    text: str
    unaware: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The caller interrupted the agent (on a relay), who had said this much."""

    heard: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The agent listens until one of the line's `answer_…` methods is called, or the time is over."""

    gather: Gather


@dataclass(frozen=True, slots=True)
class Played:
    """An audio file was played, or keys were pressed towards the caller."""

    url: str = ""
    digits: str = ""


@dataclass(frozen=True, slots=True)
class Ringing:
    """Somebody is being rung for the caller, and sees `caller_id`."""

    to: str
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class ColleagueHeard:
    """Somebody who was rung has answered and hears this, before the caller is connected."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class ColleaguePressed:
    """They pressed these keys."""

    to: str
    keys: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The caller and this person talk with each other from here on."""

    to: str


@dataclass(frozen=True, slots=True)
class Dialled:
    """A transfer is over. `to` is who answered, else everybody who was rung; `status` is how it went (`completed`,
    `no-answer`, …). `is_declined`: who answered was not connected.
    """

    to: str
    status: str = "completed"
    is_declined: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """What the caller says is recorded until one of the line's `answer_…` methods is called, or the time is over.

    `finish_on_key` are the keys that end it. `beeps`: it began with a tone.
    """

    finish_on_key: str
    beeps: bool = True


@dataclass(frozen=True, slots=True)
class Recorded:
    """This was recorded; the server finds it at `url`."""

    text: str
    url: str
    seconds: int


@dataclass(frozen=True, slots=True)
class LostLine:
    """A relay's socket that was lost. `unsent` is what the caller had said and what was not sent into it any more, nor
    will be into the next one.

    `was_closed`: the server closed it properly, so it received everything that was sent before.
    """

    unsent: tuple[str, ...] = ()
    was_closed: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """The server did not answer, or a relay's `line` was lost; it is retried."""

    text: str
    line: LostLine | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """The server did something wrong, or did not respond. `unreachable` means that nothing listens there."""

    text: str
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over. Always the last event."""

    by: EndedBy
    status: FinalStatus = "completed"
    duration_seconds: float = 0.0


Transferring = Ringing | ColleagueHeard | ColleaguePressed | Connected | Dialled
Event = (
    Said | SpeakerChanged | Speaking | Interrupted | Asked | Played | Transferring | Recording | Recorded | Waiting
    | Problem | HungUp
)  # fmt: skip
