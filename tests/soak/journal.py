"""What callers sent and heard: the one side of the audit."""

from dataclasses import dataclass, field
from typing import Literal

from soak.desks import Desk
from soak.living import Told
from soak.script import Word

Heard = Literal["reply", "apology", "farewell", "refused", "abandoned", "cut off", "nothing", "something else"]
"""How a turn came out to the caller: `apology` where the agent failed or overran its time, `refused` where all lines of
a number were taken, `abandoned` where the caller hung up on it, `cut off` where they spoke over it, `nothing` where no
answer ever came."""


@dataclass(slots=True)
class Exchange:
    """One turn, as the caller saw it. Times are seconds of the event loop's clock.

    On a relay: `number` is that of the caller's words, `session` the one they were said in (from 1), `cut_at` and
    `cut_in` when and in which session the caller spoke over the reply, and `utterance` what had been spoken by then,
    as the provider says. In a call that lives: `told` was said by itself before the answer; with `is_return` the caller
    was away.
    """

    turn_id: str
    text: str
    sent_at: float
    sound_at: float | None = None
    answered_at: float | None = None
    answer: str = ""
    heard: Heard = "nothing"
    retries: int = 0
    copies: int = 0
    number: int = 0
    session: int = 1
    cut_at: float | None = None
    cut_in: int = 0
    utterance: str | None = None
    told: list[Told] = field(default_factory=list)
    is_return: bool = False


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word that was heard on a relay: when, and in the how-manieth session of the call. `unaware`: it was sent before
    the server had received what the caller said last."""

    word: Word
    at: float
    session: int
    unaware: bool = False


@dataclass(slots=True)
class CallJournal:
    """One call, as the caller saw it. `complaints` are sentences about what no caller may notice.

    On a relay: `words` are all that were heard, `sessions` counts those it took, `drops` the sockets that the caller
    lost on purpose. With `lives`, the caller asks for what happens later; `signals` has what became of each: `taken`,
    `over` (the call was), `lost`.
    """

    call_sid: str
    channel: Literal["gather", "api", "relay"]
    desk: Desk | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    over: bool = False

    words: list[HeardWord] = field(default_factory=list)
    sessions: int = 1
    drops: int = 0
    lives: bool = False
    signals: dict[str, str] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        """Whether the number that was called takes so many calls at once."""
        return self.desk is not None and self.desk.max_calls is not None

    @property
    def was_refused(self) -> bool:
        """Whether there was no line for it: then there was no call."""
        return any(exchange.heard == "refused" for exchange in self.exchanges)

    def complain(self, what: str) -> None:
        """Note what was wrong."""
        self.complaints.append(f"{self.call_sid}: {what}")
