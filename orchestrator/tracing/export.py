"""What leaves the process: spans without the messages of errors. And one log line when the collector goes or comes."""

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from orchestrator.tracing.turn_spans import SCOPE

logger = logging.getLogger(__name__)

WITHOUT_MESSAGES = (SCOPE, "pydantic-ai")
"""The scopes whose errors are exported by their type alone: a message may quote what the caller said."""
MESSAGES = frozenset({"exception.message", "exception.stacktrace"})


class CollectorExporter(SpanExporter):
    """Exports through `exporter` to the collector at `shown`, an address without credentials."""

    def __init__(self, exporter: SpanExporter, shown: str) -> None:
        self._exporter = exporter
        self._shown = shown
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send `spans`. What the collector does not take is lost."""
        result = self._exporter.export([without_messages(span) for span in spans])
        if result is SpanExportResult.SUCCESS:
            self._note_success()
        else:
            self._note_failure(len(spans))
        return result

    def shutdown(self) -> None:
        """Close the connections."""
        self._exporter.shutdown()

    def _note_success(self) -> None:
        if self._lost:
            extra = {"action": "traces.exported", "lost": self._lost}
            logger.info("The collector takes spans again; %d were lost", self._lost, extra=extra)
        self._lost = 0

    def _note_failure(self, count: int) -> None:
        if not self._lost:
            logger.warning(
                "The collector at %s does not take spans; turns go on, and their traces are lost", self._shown,
                extra={"action": "traces.lost"},
            )  # fmt: skip
        self._lost += count


def without_messages(span: ReadableSpan) -> ReadableSpan:
    """Return the span without the messages of errors, if it is of one of our scopes."""
    scope = span.instrumentation_scope
    if scope is None or scope.name not in WITHOUT_MESSAGES or not (span.events or span.status.description):
        return span
    return ReadableSpan(
        name=span.name, context=span.context, parent=span.parent, resource=span.resource, attributes=span.attributes,
        events=[_without_message(event) for event in span.events], links=span.links, kind=span.kind,
        status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=scope,
    )  # fmt: skip


def _without_message(event: Event) -> Event:
    kept = {name: value for name, value in (event.attributes or {}).items() if name not in MESSAGES}
    return Event(event.name, kept, event.timestamp)
