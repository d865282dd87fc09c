"""`ActiveSpan`: a span that is the current one while a block runs. And spans as W3C Trace Context writes them."""

import re
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

LONGEST_TRACEPARENT = 128
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def read_traceparent(text: str | None) -> SpanContext | None:
    """Return the span that a `traceparent` names; None if it is missing or malformed."""
    if not text or len(text) > LONGEST_TRACEPARENT or (match := _TRACEPARENT.fullmatch(text.strip())) is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more):
        return None
    found = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return found if found.is_valid else None


def written_traceparent(span: SpanContext) -> str | None:
    """Return a span as a `traceparent` names it; None for no span."""
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def mark_failed(span: Span, error_type: str) -> None:
    """Set the status of a span to error. `error_type` names a class of errors: it holds nothing of what was said."""
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute("error.type", error_type)


class Attached:
    """A context that is the current one while a block runs, in one task."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Self:
        self._token = otel_context.attach(self._context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        otel_context.detach(self._token)


class ActiveSpan(Attached):
    """A span that is the current one while a block runs, and ends with it. An error that leaves the block fails it."""

    def __init__(self, span: Span) -> None:
        super().__init__(set_span_in_context(span))
        self.span = span

    def note(self, **attributes: Any) -> None:
        """Set attributes of ours: `voiceagent.` and the name."""
        for name, value in attributes.items():
            self.span.set_attribute(f"voiceagent.{name}", value)

    def failed(self, error_type: str) -> None:
        """Set the status to error."""
        mark_failed(self.span, error_type)

    def end(self, error_type: str = "") -> None:
        """End the span where no block does: begin and end are told in different tasks."""
        if error_type:
            self.failed(error_type)
        self.span.end()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is not None:
            self.failed(kind.__name__)
        self.span.end()
