"""How many calls may begin within a time: from one number, and to one number that we call.

Numbers and SIDs are kept nowhere for that: they count under keyed hashes, and for as long as the rate says.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.rate_limits.rate import Rate
from orchestrator.settings import Settings
from orchestrator.turns.call_limits import PLACED
from orchestrator.turns.tombstone import is_of_a_provider

LEAST_DIGITS = 7
"""What has fewer is no caller's own number."""
WITHHELD = frozenset({"+266696687", "+7378742883", "+2562533", "+8656696", "+86282452253"})
"""What Twilio sends for callers who withhold their number ("anonymous" and the like on a keypad): many have it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A call that is to begin: `one` counts under `name`, at most as often as `rate` says. Both are keyed hashes.

    `is_remembered`: if it is refused, it stays refused for as long, since a provider repeats its webhooks.
    """

    name: str
    one: str
    rate: Rate
    is_remembered: bool


@dataclass(frozen=True, slots=True)
class CallRates:
    """The rates of calls from one number (`caller`) and to one (`destination`). None: any number of them.

    `secret` is the same in every process that begins calls.
    """

    caller: Rate | None = None
    destination: Rate | None = None
    secret: bytes = b""

    @classmethod
    def of(cls, settings: Settings, secret: bytes) -> "CallRates":
        """Return the rates that `settings` say."""
        return cls(settings.caller_rate, settings.destination_rate, secret)

    def of_caller(self, call_sid: str, opening: Mapping[str, Any]) -> Counted | None:
        """Return as what a call counts that begins with these fields; None: it does not."""
        number = str(opening.get("from_number", ""))
        is_placed = str(opening.get("direction", "")).startswith(PLACED)
        if self.caller is None or is_placed or not is_of_a_provider(opening) or not _is_somebodys(number):
            return None
        return self._counted("caller", number, call_sid, self.caller)

    def of_destination(self, number: str, order: str) -> Counted | None:
        """Return as what a call counts that is to be placed to `number`; None: it does not. `order` names it."""
        if self.destination is None:
            return None
        return self._counted("destination", number, order, self.destination)

    def _counted(self, kind: Literal["caller", "destination"], number: str, one: str, rate: Rate) -> Counted:
        return Counted(self._hash(kind, number), self._hash("call", one), rate, is_remembered=kind == "caller")

    def _hash(self, purpose: str, text: str) -> str:
        return hmac.new(self.secret, f"voiceagent {purpose} {text}".encode(), hashlib.sha256).hexdigest()[:32]


NO_RATES = CallRates()


def _is_somebodys(number: str) -> bool:
    digits = number.removeprefix("+")
    return number.startswith("+") and digits.isdecimal() and len(digits) >= LEAST_DIGITS and number not in WITHHELD
