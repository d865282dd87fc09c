"""What the callers know: every turn they took, how long it took, and what went wrong."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class TurnNote:
    """One turn as its caller knows it. Times are in seconds from the moment the caller had spoken.

    `words` are the caller's and unique in the call; empty for the beginning of a call, which answers by
    itself. `first_words` is when the first of the answer was heard, `answered` when all of it was. `heard` is what the
    caller had heard when they cut the answer off, and `cut_by` what they said instead.

    On a relay whose line was lost: the words of a turn that is `uncertain` may never have reached the server, of an
    answer that is `broken_off` nothing more was heard over a new line, and one that `spans_lines` was heard over
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

    @property
    def is_over(self) -> bool:
        """Whether it was answered, or its answer cut off or broken off."""
        return self.answered is not None or self.heard is not None or self.broken_off

    def agrees_with(self, kept: str | None) -> bool:
        """Whether of an answer that was cut off the server has `kept` what was heard, as far as can be asked of it."""
        if kept == self.heard or (self.cut_by is not None and self.cut_by.uncertain):
            return True
        return self.spans_lines and kept is not None and kept.endswith(self.heard or "")


@dataclass(slots=True)
class CallNote:
    """One call. `error` is the kind of thing that broke it off."""

    call_sid: str
    turns: list[TurnNote] = field(default_factory=list)
    cut_off: list[TurnNote] = field(default_factory=list)
    error: str = ""
    ended_early: bool = False
    """The agent hung up before the caller had said everything: no error."""

    @property
    def unanswered(self) -> int:
        """How many of its turns never got their answer."""
        return sum(not turn.is_over for turn in self.turns)


class CallResults:
    """All calls of one load_run."""

    def __init__(self) -> None:
        self.calls: list[CallNote] = []
        self.retries = 0
        self.live = 0

    def open(self, call_sid: str) -> CallNote:
        """The note of a call that begins."""
        note = CallNote(call_sid)
        self.calls.append(note)
        return note

    @property
    def turns(self) -> Iterator[TurnNote]:
        """Every turn of every call."""
        return (turn for call in self.calls for turn in call.turns)

    @property
    def errors(self) -> Counter[str]:
        """How often each kind of error broke off a call."""
        return Counter(call.error for call in self.calls if call.error)

    @property
    def unanswered(self) -> int:
        """Turns that never got their answer."""
        return sum(call.unanswered for call in self.calls)

    def first_words(self, *, greetings: bool) -> list[float]:
        """How long callers waited for the first words: of the greeting, or of the other answers."""
        return [t.first_words for t in self.turns if t.first_words is not None and (not t.words) is greetings]

    def answers(self) -> list[float]:
        """How long callers waited for the whole answer, greetings left out."""
        return [turn.answered for turn in self.turns if turn.answered is not None and turn.words]
