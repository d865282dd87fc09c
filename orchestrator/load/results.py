"""What the callers recorded: every turn, how long it took, and what went wrong."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class TurnNote:
    """One turn as its caller knows it. Times are in seconds from the moment the caller had spoken.

    `words` are the caller's and unique in the call; empty for the beginning of a call, which answers by itself.
    `first_words` is when the first of the answer was heard, `answered` when all of it was. `heard` is what the caller
    had heard when they cut the answer off, and `cut_by` what they said instead. `began` is that moment, by
    `time.perf_counter`; `answer` is all that was heard, where that can be told.

    On a relay whose connection was lost: the words of an `uncertain` turn may never have reached the server; of an
    answer that is `broken_off` nothing more was heard over a new connection; one that `spans_lines` was heard over
    several.
    """

    words: str
    first_words: float | None = None
    answered: float | None = None
    heard: str | None = None
    cut_by: "TurnNote | None" = None
    uncertain: bool = False
    broken_off: bool = False
    spans_lines: bool = False
    began: float = 0.0
    answer: str = ""

    @property
    def is_over(self) -> bool:
        """True if it was answered, or its answer was interrupted or broken off."""
        return self.answered is not None or self.heard is not None or self.broken_off

    @property
    def is_whole(self) -> bool:
        """True if all of the answer was heard, in one piece."""
        return self.answered is not None and self.heard is None and not (self.broken_off or self.spans_lines)

    def agrees_with(self, kept: str | None) -> bool:
        """True if the server has `kept` what was heard of an interrupted answer, as far as it could know.

        Nobody hears the blank at its end, which a server that had to work it out leaves away.
        """
        if kept == self.heard or (self.cut_by is not None and self.cut_by.uncertain):
            return True
        return self.spans_lines and kept is not None and kept.rstrip().endswith((self.heard or "").rstrip())


@dataclass(slots=True)
class CallNote:
    """One call. `error` is the kind of error that ended it."""

    call_sid: str
    turns: list[TurnNote] = field(default_factory=list)
    cut_off: list[TurnNote] = field(default_factory=list)
    error: str = ""
    ended_early: bool = False
    """The agent hung up before the caller had said everything: no error."""

    @property
    def unanswered(self) -> int:
        """Return how many of its turns were never answered."""
        return sum(not turn.is_over for turn in self.turns)


class CallResults:
    """All calls of one load run."""

    def __init__(self) -> None:
        self.calls: list[CallNote] = []
        self.retries = 0
        self.live = 0

    def open(self, call_sid: str) -> CallNote:
        """Record a call that begins."""
        note = CallNote(call_sid)
        self.calls.append(note)
        return note

    @property
    def turns(self) -> Iterator[TurnNote]:
        """Every turn of every call."""
        return (turn for call in self.calls for turn in call.turns)

    @property
    def errors(self) -> Counter[str]:
        """Return how often each kind of error ended a call."""
        return Counter(call.error for call in self.calls if call.error)

    @property
    def unanswered(self) -> int:
        """Return how many turns were never answered."""
        return sum(call.unanswered for call in self.calls)

    def first_words(self, *, greetings: bool) -> list[float]:
        """Return how long callers waited for the first words (seconds): of the greeting, or of the other answers."""
        return [t.first_words for t in self.turns if t.first_words is not None and (not t.words) is greetings]

    def answers(self) -> list[float]:
        """Return how long callers waited for the whole answer (seconds), without greetings."""
        return [turn.answered for turn in self.turns if turn.answered is not None and turn.words]
