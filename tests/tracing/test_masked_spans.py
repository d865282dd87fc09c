"""What leaves the process in a span, whichever library made it."""

from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, StatusCode, Tracer

from orchestrator.tracing.export import CollectorExporter


def tracer() -> tuple[Tracer, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(CollectorExporter(exporter, "http://collector")))
    return provider.get_tracer("somebody's", "1"), exporter


def test_numbers_are_masked_in_names_attributes_and_events() -> None:
    spans, exporter = tracer()
    with spans.start_as_current_span("dial +15551235310") as span:
        span.set_attributes({"url.full": "http://h/?to=%2B15551235310", "to": ["sip:margaret@pbx"], "tries": 2})
        span.add_event("rang", {"number": "+15551235310"})
    (sent,) = exporter.get_finished_spans()
    assert sent.name == "dial +1555•••5310"
    assert dict(sent.attributes or {}) == {
        "url.full": "http://h/?to=%2B1555•••5310", "to": ["sip:m•••@pbx"], "tries": 2
    }  # fmt: skip
    assert [dict(event.attributes or {}) for event in sent.events] == [{"number": "+1555•••5310"}]


def test_of_an_error_the_kind_is_sent_and_not_what_it_says() -> None:
    spans, exporter = tracer()
    try:
        with spans.start_as_current_span("look up"):
            raise ValueError("my secret canary")
    except ValueError:
        pass
    (sent,) = exporter.get_finished_spans()
    assert "canary" not in sent.to_json()
    assert sent.status.status_code is StatusCode.ERROR
    assert [(event.attributes or {})["exception.type"] for event in sent.events] == ["ValueError"]


def test_all_else_of_a_span_stays() -> None:
    spans, exporter = tracer()
    with spans.start_as_current_span("before") as before:
        link = Link(before.get_span_context())
    given: dict[str, Any] = {"links": [link], "start_time": 17}
    with spans.start_as_current_span("outer") as outer:
        spans.start_span("inner", **given).end(19)
    sent = exporter.get_finished_spans()[1]
    assert (sent.name, sent.start_time, sent.end_time) == ("inner", 17, 19)
    assert sent.parent == outer.get_span_context()
    assert [each.context for each in sent.links] == [link.context]
    assert sent.instrumentation_scope is not None
    assert (sent.instrumentation_scope.name, sent.resource) == ("somebody's", outer.resource)  # type: ignore[attr-defined]
