"""`WayBack`: what the URL says to which the provider posts once a caller is back who was transferred or recorded.

It holds all that most returns need, so that they need no store: a person who has talked to the caller for an hour hangs
up, and the call ends, also while Redis is down.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from orchestrator.conversation.leaving import MOST_TARGETS, Transfer
from orchestrator.conversation.turn import OWN_PREFIX

LEFT = "left"
"""The query field that marks such a URL."""
Leave = Literal["transfer", "record", "apology"]
LONGEST_ID = 256
LONGEST_TO = 1000
LONGEST_STATUS = 40
MOST_SECONDS = 999_999
MOST_ATTEMPTS = 9999
RETURNED = f"{OWN_PREFIX}returned-"
"""How the id of a turn begins with which a caller returns to a relay session."""
_LONGEST_PLAIN_ID = 100


@dataclass(frozen=True)
class WayBack:
    """How the caller has left, by the reply of which turn.

    Of a transfer: `target` is the place of the person who was rung among its targets. `to`, whom it dialled, several
    separated by ", ", is in URLs of the previous version alone: others read it, so it is found in the state.
    `hides_to`: a sensitive turn brought it. `returns`: after a conversation the caller comes back to the agent;
    `fails_back`: when nobody took the call. `asks_key`: the call is taken with a key only. `has_more` people to ring,
    one after the other, or all of them rang `at_once`.

    `status`, `seconds` and `leg` are the provider's words about it, kept while the caller is held: `attempt` counts the
    fillers, `since` (Unix seconds) is when the caller came back.
    """

    leave: Leave
    by: str = ""
    target: int = 0
    to: str = ""
    returns: bool = False
    fails_back: bool = True
    asks_key: bool = False
    has_more: bool = False
    at_once: bool = False
    status: str = ""
    seconds: int = 0
    leg: str = ""
    attempt: int = 0
    since: float = 0.0
    hides_to: bool = False

    @classmethod
    def from_transfer(cls, transfer: Transfer, by: str, target: int) -> "WayBack":
        """Return the way back from that target of `transfer`; from all of them if they ring at once."""
        is_last = transfer.order == "at_once" or target + 1 >= len(transfer.targets)
        return cls(
            leave="transfer",
            by=by,
            target=target,
            returns=transfer.then == "return",
            fails_back=transfer.on_failure == "return",
            asks_key=transfer.accept_key is not None,
            has_more=not is_last,
            at_once=transfer.order == "at_once" and len(transfer.targets) > 1,
        )

    @property
    def matters(self) -> bool:
        """True if something follows, whatever becomes of the transfer."""
        return self.returns or self.fails_back or self.has_more

    @property
    def query(self) -> dict[str, Any]:
        """The fields of the URL's query."""
        fields = {
            LEFT: self.leave,
            "by": self.by,
            "target": self.target,
            "then": "return" if self.returns else "",
            "fail": "" if self.fails_back else "hang_up",
            "key": int(self.asks_key),
            "more": int(self.has_more),
            "all": int(self.at_once),
            "status": self.status,
            "seconds": self.seconds,
            "leg": self.leg,
            "attempt": self.attempt,
            "since": f"{self.since:.3f}" if self.since else "",
        }
        return {name: value for name, value in fields.items() if value}

    def held(self, since: float) -> "WayBack":
        """Return the way back for a caller who has heard one filler more."""
        return replace(self, attempt=min(self.attempt + 1, MOST_ATTEMPTS), since=self.since or since)


def way_back_of(query: Mapping[str, str]) -> WayBack | None:
    """Return what `WayBack.query` has put into a URL; None for the URL of another webhook."""
    leave = query.get(LEFT)
    found: Leave | None = next((kind for kind in get_args(Leave) if kind == leave), None)
    if found is None:
        return None
    return WayBack(
        leave=found,
        by=query.get("by", "")[:LONGEST_ID],
        target=whole(query.get("target"), MOST_TARGETS - 1),
        to=query.get("to", "")[:LONGEST_TO],
        returns=query.get("then") == "return",
        fails_back=query.get("fail") != "hang_up",
        asks_key=query.get("key") == "1",
        has_more=query.get("more") == "1",
        at_once=query.get("all") == "1",
        status=query.get("status", "")[:LONGEST_STATUS],
        seconds=whole(query.get("seconds"), MOST_SECONDS),
        leg=query.get("leg", "")[:LONGEST_ID],
        attempt=whole(query.get("attempt"), MOST_ATTEMPTS),
        since=_time(query.get("since")),
    )


def returned_turn_id(by: str) -> str:
    """Return the id of the turn with which a caller returns who left by the reply to the turn `by`."""
    plain = by if len(by) <= _LONGEST_PLAIN_ID else hashlib.sha256(by.encode()).hexdigest()
    return RETURNED + plain


def whole(text: str | None, most: int) -> int:
    """Return the number that `text` says, `most` at the most; 0 if it says none."""
    digits = (text or "").strip()
    return min(int(digits), most) if digits.isascii() and digits.isdecimal() and len(digits) <= 15 else 0


def _time(text: str | None) -> float:
    seconds, _, rest = (text or "").partition(".")
    return float(f"{whole(seconds, 10**12)}.{rest}") if rest.isascii() and rest.isdecimal() and len(rest) < 7 else 0.0
