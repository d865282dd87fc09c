"""`Entry`: the request or frame that brings a turn into an ingress, and `Submission`: how the turn is stored.

A request's span begins with the request, and is made when it submits its first turn: requests without a turn, such as
those of a balancer that asks for health, leave no trace. It ends with the answer.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from opentelemetry.trace import Span, SpanContext, SpanKind

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.tracing.active_span import ActiveSpan, mark_failed, read_traceparent, written_traceparent
from orchestrator.tracing.ids import trace_id_of
from orchestrator.tracing.turn_spans import FAILURES, TurnSpans, about

current_entry: ContextVar["Entry | None"] = ContextVar("voiceagent_entry", default=None)


class Awaited(Protocol):
    """A submitted turn. `observers` are called with its result when that arrives."""

    result: TurnResult | None
    observers: list[Callable[[TurnResult], None]]


class Entry:
    """One request or frame, with the span of the first turn that it submits.

    The trace is that of the turn; a `traceparent` that came along is linked to. Once the sender is trusted it is
    continued instead, and the turn belongs to the sender's trace.
    """

    def __init__(
        self, spans: TurnSpans, name: str, attributes: dict[str, Any], *, began: int, traceparent: str | None
    ) -> None:
        self._spans = spans
        self._name = name
        self._attributes = attributes
        self._began = began
        self._given = read_traceparent(traceparent)
        self._is_trusted = False
        self._span: Span | None = None
        self._turn: tuple[str, str] | None = None
        self._stored_at = self._settled_at = 0

    @contextmanager
    def current(self) -> Iterator["Entry"]:
        """Let the turns that are submitted in this block belong to this entry."""
        token = current_entry.set(self)
        try:
            yield self
        finally:
            current_entry.reset(token)

    def trust(self) -> None:
        """The sender has shown a key of ours."""
        self._is_trusted = True

    def span_for(self, turn: Turn) -> tuple[SpanContext, bool]:
        """Return the entry's span, made now if this is its first turn, and whether `turn` is that one."""
        name = (turn.call_sid, turn.turn_id)
        if self._span is None:
            parent = self._given if self._is_trusted else None
            self._turn, self._span = (
                name,
                self._spans.start(
                    self._name,
                    SpanKind.SERVER,
                    {**about(turn), **self._attributes},
                    parent=parent,
                    trace_id=trace_id_of(*name) if parent is None else None,
                    links=[self._given] if self._given is not None and parent is None else [],
                    began=self._began,
                ),
            )
        return self._span.get_span_context(), name == self._turn

    def stored(self) -> None:
        """Note that the store has the turn: from now on its reply is awaited."""
        self._stored_at = self._stored_at or clock.machine_ns()

    def settled(self, result: TurnResult) -> None:
        """Note that the result has arrived."""
        if self._span is None or self._settled_at:
            return
        self._settled_at = clock.machine_ns()
        self._add("await reply", self._stored_at or self._settled_at, self._settled_at, outcome=result.outcome)
        self._span.set_attribute("voiceagent.outcome", result.outcome)
        if result.outcome in FAILURES:
            mark_failed(self._span, result.outcome)

    def event(self, name: str) -> None:
        """Note that something happened now."""
        if self._span is not None:
            self._span.add_event(name)

    def end(self, attributes: dict[str, Any] | None = None, *, error_type: str = "") -> None:
        """End the span: the answer was sent. A second call does nothing."""
        if self._span is None or not self._span.is_recording():
            return
        now = clock.machine_ns()
        if self._settled_at:
            self._add("answer", self._settled_at, now)
        elif self._stored_at:
            self._add("await reply", self._stored_at, now)
        self._span.set_attributes(attributes or {})
        if error_type:
            mark_failed(self._span, error_type)
        self._span.end(now)

    def _add(self, name: str, began: int, ended: int, **attributes: Any) -> None:
        assert self._span is not None
        noted = {f"voiceagent.{key}": value for key, value in attributes.items()}
        parent = self._span.get_span_context()
        self._spans.start(name, SpanKind.INTERNAL, noted, parent=parent, began=began).end(ended)


class Submission:
    """The storing of one turn. `turn` carries the span of it to the process that runs the turn."""

    def __init__(self, span: ActiveSpan, turn: Turn, entry: Entry | None) -> None:
        self._span = span
        self._entry = entry
        self.turn = turn.model_copy(update={"traceparent": written_traceparent(span.span.get_span_context())})

    async def store(self, submit: Callable[[], Awaitable[TurnResult | None]], awaited: Awaited) -> TurnResult | None:
        """Return what `submit` returns. What it raises fails the span."""
        with self._span as span:
            recorded = await submit()
            if recorded is not None:
                span.note(outcome=recorded.outcome)
        if self._entry is not None and recorded is None:
            self._entry.stored()
            if awaited.result is not None:  # it was faster than the store's answer
                self._entry.settled(awaited.result)
            else:
                awaited.observers.append(self._entry.settled)
        return recorded


def submission(spans: TurnSpans, turn: Turn) -> Submission:
    """Return the submission of `turn`, inside the current entry if it is the entry's turn."""
    entry = current_entry.get()
    parent, links, is_first = None, [], False
    if entry is not None:
        found, is_first = entry.span_for(turn)
        parent, links = (found, []) if is_first else (None, [found])
    span = spans.start(
        "submit", SpanKind.PRODUCER, about(turn), parent=parent, links=links,
        trace_id=trace_id_of(turn.call_sid, turn.turn_id) if parent is None else None,
    )  # fmt: skip
    return Submission(ActiveSpan(span), turn, entry if is_first else None)
