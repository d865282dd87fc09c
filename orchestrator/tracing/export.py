"""Exports spans, and says once in the log when the collector goes, and when it is back."""

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from orchestrator.tracing.masked_spans import masked_span

logger = logging.getLogger(__name__)


class CollectorExporter(SpanExporter):
    """Exports through `exporter` to the collector at `shown`, an address without credentials."""

    def __init__(self, exporter: SpanExporter, shown: str) -> None:
        self._exporter = exporter
        self._shown = shown
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send `spans`, with numbers masked. What the collector does not take is lost."""
        result = self._exporter.export([masked_span(span) for span in spans])
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
