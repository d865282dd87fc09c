"""The people whom a transfer rings, and what they do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.provider_simulator.listener import KEYS

Behaviour = Literal["answers", "declines", "does-not-answer", "is-busy", "fails"]
DialStatus = Literal["completed", "busy", "no-answer", "failed", "canceled"]
UNREACHED: Mapping[Behaviour, DialStatus] = {
    "does-not-answer": "no-answer",
    "is-busy": "busy",
    "fails": "failed",
}
"""What becomes of the ringing where nobody answers."""
DEFAULT_KEY = "1"
_NAMED_KEY = re.compile(r"\bpress(?: the)?(?: key)? (star|pound|hash|[0-9*#])(?![0-9])", re.IGNORECASE)
_LONE_KEY = re.compile(r"(?<!\S)[0-9*#](?![^\s.,;!])")
_KEY_WORDS = {"star": "*", "pound": "#", "hash": "#"}


@dataclass(frozen=True, slots=True)
class Colleague:
    """One person. Who `answers` presses `keys` where the server asks for one (None: the key that it names, or 1).

    Who `declines` answers too, hears the announcement, and presses nothing; where the server asks nothing, they reject
    the call, which is then busy. They talk for `talk_seconds`.
    """

    behaviour: Behaviour = "answers"
    keys: str | None = None
    talk_seconds: float = 0

    def __post_init__(self) -> None:
        if self.keys is not None and not KEYS.issuperset(self.keys):
            raise ValueError("Keys are 0-9, * and #.")

    def keys_after(self, announcement: str) -> str:
        """Return what they press after they have heard this; "" is nothing."""
        if self.behaviour != "answers":
            return ""
        return key_named_in(announcement) if self.keys is None else self.keys


@dataclass(frozen=True, slots=True)
class Colleagues:
    """Who is behind which number. `rest` is behind every other one.

    `status_when_declined` is what the provider makes of a person whose document hung up on them before they were
    connected. Twilio does not say: their leg was answered, so `completed` (with `DialBridged=false`), but its example
    of a screened call expects `no-answer`.
    """

    by_number: Mapping[str, Colleague] = field(default_factory=dict)
    rest: Colleague = field(default_factory=Colleague)
    status_when_declined: DialStatus = "completed"

    def at(self, number: str) -> Colleague:
        """Return who is behind this number or address."""
        return self.by_number.get(number, self.rest)


def key_named_in(announcement: str) -> str:
    """Return the last key that the announcement asks for, or else names."""
    named = _NAMED_KEY.findall(announcement) or _LONE_KEY.findall(announcement)
    return _KEY_WORDS.get(named[-1].lower(), named[-1]) if named else DEFAULT_KEY
