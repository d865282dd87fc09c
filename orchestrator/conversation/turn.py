"""A turn: one thing that the caller did and that requires an answer."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.clock import utc_now
from orchestrator.conversation.open_values import OpenToNewer
from orchestrator.conversation.reply import Reply, no_items
from orchestrator.conversation.timings import Timings, milliseconds_since

OwnKind = Literal["signal", "timer", "activity", "transferred", "recorded"]
"""What a turn is about that no caller's words began. An agent that does not know a kind treats it as silence."""
TurnKind = Literal[
    "started", "speech", "keys", "silence", "interrupted", "ended", "handed_off",
    "signal", "timer", "activity", "transferred", "recorded",
]  # fmt: skip
OWN_KINDS: tuple[str, ...] = get_args(OwnKind)
UNPROMPTED_KINDS = ("signal", "timer", "activity")
"""Those that come whatever the caller is doing: nobody waits for their replies."""
OWN_PREFIX = "~"
"""How the ids of signals, timers and activities begin; a client cannot name a turn so."""


class Turn(BaseModel):
    """One turn, as an agent gets it.

    - `turn_id` is unique in the call, and the same when the provider sends the turn again.
    - `text` is what the caller said. For `keys` it is the keys, so that an agent may treat both alike; for
      `interrupted` what the caller had heard of the last reply; for `ended` why the call ended (`completed`, …); for
      `handed_off` the note of the agent that hands the call over; for `signal`, `timer` and `activity` the name; for
      `transferred` what became of it (`no-answer`, `declined`, …).
    - `data` is what else the turn brings: that of a signal or timer as it was given; `result` or `error` of an
      activity; `to` and `seconds` of a transfer; `url` and `seconds` of a recording.
    - `interrupt`, for `signal`: it cuts off what is being said.
    - `given_reply` is the reply of a person, who answers in place of the agent.
    - `confidence` is the recogniser's, from 0 to 1, if it gave one.
    - `interrupts`, for `interrupted`, is the id of the turn whose reply the caller cut off, if that is known.
    - `unfinished` has the replies that were still being spoken when the caller spoke: the id of the turn that each
      answers, and what had been said of it.
    - `unspoken` are the ids of own turns whose replies were still to be spoken when this one came.
    - `late_timings` has what became known of the timings of earlier turns after their commit, by turn id, and
      `submitted_ms` is after how many milliseconds this one was submitted (`orchestrator.conversation.timings`). Only
      the JSON in its inbox has that.
    - `replay_of` is the id of the turn that a person replays with this one.
    - `hop`, for `handed_off`, says how many times the call was handed on in this turn.
    - `sensitive`: what the turn brings is for the agent alone. Until then it is in `sealed_words`, encrypted, and
      `text` is `[hidden]` (`orchestrator.conversation.sensitive`).
    - `traceparent` is the span that submitted the turn, as W3C Trace Context writes it, while traces are on.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    turn_id: str = Field(min_length=1, max_length=256)
    call_sid: str
    kind: Annotated[TurnKind, OpenToNewer()]
    text: str = ""
    digits: str = ""
    confidence: float | None = None
    language: str | None = None
    interrupts: str | None = None
    unfinished: dict[str, str] = Field(default_factory=dict, exclude_if=lambda unfinished: not unfinished)
    unspoken: list[str] = Field(default_factory=no_items, exclude_if=lambda unspoken: not unspoken)
    data: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda data: not data)
    interrupt: bool = Field(default=False, exclude_if=lambda interrupt: not interrupt)
    given_reply: Reply | None = Field(default=None, exclude_if=lambda reply: reply is None)
    received_at: datetime = Field(default_factory=utc_now)
    replay_of: str | None = None
    submitted_ms: float | None = Field(default=None, exclude=True)
    late_timings: dict[str, Timings] = Field(default_factory=dict, exclude_if=lambda late: not late)
    hop: int = Field(default=0, exclude_if=lambda hop: not hop)
    sensitive: bool = Field(default=False, exclude_if=lambda sensitive: not sensitive)
    sealed_words: str = Field(default="", repr=False, exclude_if=lambda words: not words)
    traceparent: str | None = Field(default=None, exclude_if=lambda traceparent: traceparent is None)

    @property
    def has_words(self) -> bool:
        """True if the caller has said something or pressed keys."""
        return self.kind in ("speech", "keys")

    @property
    def is_own(self) -> bool:
        """True if no caller's words, keys or silence began it: a signal, a timer, an activity, or the return of a
        transfer or recording."""
        return self.kind in OWN_KINDS

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this turn, also for a replay. Pass it to what must not happen twice.

        Each agent that the call is handed to in this turn has a key of its own.
        """
        key = f"{self.call_sid}/{self.replay_of or self.turn_id}"
        return f"{key}/h{self.hop}" if self.hop else key

    def submitted_at(self, at: float) -> "Turn":
        """Return the turn as it is submitted at this moment (Unix seconds)."""
        return self.model_copy(update={"submitted_ms": milliseconds_since(self.received_at.timestamp(), at)})

    def submitted_json_at(self, at: float) -> str:
        """Return the JSON of `submitted_at`, for a fraction of the cost of the copy."""
        after = milliseconds_since(self.received_at.timestamp(), at)
        return f'{self.model_dump_json()[:-1]},"submitted_ms":{after}}}'
