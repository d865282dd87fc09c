"""The SDK of OpenTelemetry, from the settings. Spans are exported in batches, by a thread of its own.

A collector that is away, slow or talks nonsense delays no turn: the queue is bounded, and what does not fit into it is
lost. Closing is bounded too.
"""

import logging
import math
import threading
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from orchestrator.settings import Settings
from orchestrator.settings.complaints import without_credentials
from orchestrator.settings.otel import OtelSettings, pairs
from orchestrator.tracing.export import CollectorExporter
from orchestrator.tracing.ids import TurnIds
from orchestrator.tracing.turn_spans import TurnSpans
from orchestrator.version import code_version

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""How long a process that ends waits until its last spans are exported: its platform may kill it soon."""
MOST_DELAY_MS = {"agents": 500}
"""A process of agents is killed in the end, not told to leave: its spans must not wait for long."""
REPLACED_LOGS = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""Loggers that say of every batch that it was lost; `CollectorExporter` says it once."""


class Provider:
    """The tracer provider of this process. `spans` makes the spans of turns."""

    def __init__(self, provider: TracerProvider, spans: TurnSpans) -> None:
        self.spans = spans
        self._provider = provider

    def close(self) -> None:
        """Export what is left, for `CLOSE_SECONDS` at most."""
        closing = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            logger.warning("The last traces could not be exported in time", extra={"action": "traces.lost"})


def open_provider(otel: OtelSettings, settings: Settings, program: str) -> Provider:
    """Start the SDK. The provider is the global one, so the spans of an agent's own instrumentation go the same way."""
    version, ids = code_version(settings), TurnIds()
    provider = TracerProvider(
        sampler=_sampler(otel), resource=_resource(otel, program, version), id_generator=ids, shutdown_on_exit=False
    )
    for name in REPLACED_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    shown = without_credentials(otel.endpoint)
    provider.add_span_processor(
        BatchSpanProcessor(
            CollectorExporter(_exporter(otel), shown),
            max_queue_size=otel.otel_bsp_max_queue_size,
            schedule_delay_millis=min(otel.otel_bsp_schedule_delay, MOST_DELAY_MS.get(program, math.inf)),
            max_export_batch_size=otel.otel_bsp_max_export_batch_size,
        )
    )
    trace.set_tracer_provider(provider)
    logger.info("Traces are exported to %s", shown, extra={"action": "traces.on"})
    return Provider(provider, TurnSpans(provider, ids, version))


def _exporter(otel: OtelSettings) -> OTLPSpanExporter:
    return OTLPSpanExporter(
        endpoint=otel.endpoint,
        headers=otel.headers,
        timeout=otel.timeout_seconds,
        compression=Compression.Gzip if otel.otel_exporter_otlp_compression == "gzip" else Compression.NoCompression,
        certificate_file=otel.otel_exporter_otlp_certificate,
    )


def _resource(otel: OtelSettings, program: str, version: str) -> Resource:
    attributes = {
        SERVICE_NAME: f"voiceagent-{program}",
        SERVICE_VERSION: version,
        SERVICE_INSTANCE_ID: str(uuid4()),
        **pairs(otel.otel_resource_attributes),
    }
    if otel.otel_service_name is not None:
        attributes[SERVICE_NAME] = otel.otel_service_name
    return Resource.create(attributes)


def _sampler(otel: OtelSettings) -> Sampler:
    name = otel.otel_traces_sampler
    sampler: Sampler = {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "traceidratio": TraceIdRatioBased(otel.otel_traces_sampler_arg),
    }[name.removeprefix("parentbased_")]
    return ParentBased(sampler) if name.startswith("parentbased_") else sampler
