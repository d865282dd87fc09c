"""What the program knows of a span, and `NO_SPAN`, which stands for every one while traces are off."""

from datetime import datetime
from typing import Any, Protocol, Self

from orchestrator.conversation.state import TurnRecord


class Span(Protocol):
    """A span that is the current one while a block runs, and ends with it."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: Any) -> None: ...

    def note(self, **attributes: Any) -> None:
        """Set attributes of ours: `voiceagent.` and the name."""

    def failed(self, error_type: str) -> None:
        """Set the status to error. `error_type` names a class of errors."""

    def end(self, error_type: str = "") -> None:
        """End a span that no block is the span of. With `error_type` it has failed."""


class RunSpan(Span, Protocol):
    """The span of one run of a turn."""

    def left(self, reason: str) -> None:
        """Note why the turn is left to another worker."""

    def settled(self, record: TurnRecord, status: str, error_type: str) -> None:
        """Note the turn's outcome, and what became of its commit."""


class AgentSpan(Span, Protocol):
    """The span of one agent's answer."""

    def ended(self, outcome: str, error_type: str, first_word_at: datetime | None) -> None:
        """Note how the agent ended, and when it said its first word, if that was streamed."""


class NoSpan:
    """Does nothing. It has the methods of all spans."""

    __slots__ = ()

    def __enter__(self) -> "NoSpan":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, **attributes: Any) -> None:
        """Do nothing."""

    def failed(self, error_type: str) -> None:
        """Do nothing."""

    def end(self, error_type: str = "") -> None:
        """Do nothing."""

    def ended(self, outcome: str, error_type: str, first_word_at: datetime | None) -> None:
        """Do nothing."""

    def left(self, reason: str) -> None:
        """Do nothing."""

    def settled(self, record: TurnRecord, status: str, error_type: str) -> None:
        """Do nothing."""


NO_SPAN = NoSpan()
