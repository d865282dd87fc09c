"""Spans as they are exported: telephone numbers and the like are masked, and errors have their kind but not their text.

This holds for the spans of other libraries, too. They note of an error what it says, which may quote a caller.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from orchestrator.masking import masked

TEXTS_OF_ERRORS = frozenset({"exception.message", "exception.stacktrace"})
"""Attributes of OpenTelemetry's semantic conventions, in the event `exception`."""


def masked_span(span: ReadableSpan) -> ReadableSpan:
    """Return the same span as it may leave the process. The thread that exports calls this."""
    return ReadableSpan(
        name=masked(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_masked(span.attributes),
        events=[Event(masked(each.name), _masked(each.attributes), each.timestamp) for each in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _masked(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: _masked_value(value) for name, value in (attributes or {}).items() if name not in TEXTS_OF_ERRORS
    }  # fmt: skip


def _masked_value(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    return [_masked_value(each) for each in value] if isinstance(value, list | tuple) else value
