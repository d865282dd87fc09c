"""Ids that follow from the turn, and spans as W3C Trace Context writes them."""

import threading

import pytest
from opentelemetry.trace import SpanContext, TraceFlags

from orchestrator.tracing.active_span import read_traceparent, written_traceparent
from orchestrator.tracing.ids import TurnIds, run_span_id, trace_id_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_turn_has_one_trace_and_each_of_its_runs_a_span() -> None:
    assert trace_id_of("CA1", "1") == trace_id_of("CA1", "1")
    assert len({trace_id_of(*turn) for turn in (("CA1", "1"), ("CA1", "2"), ("CA2", "1"), ("CA", "11"))}) == 4
    trace = trace_id_of("CA1", "1")
    assert len({run_span_id(trace, 1), run_span_id(trace, 2), run_span_id(trace_id_of("CA1", "2"), 1)}) == 3
    assert 0 < trace < 2**128
    assert 0 < run_span_id(trace, 1) < 2**64
    assert trace_id_of("\ud83d", "half a pair") > 0


def test_only_the_span_that_is_started_there_has_the_given_ids() -> None:
    ids, elsewhere = TurnIds(), []
    with ids.given(trace_id=7, span_id=8):
        thread = threading.Thread(target=lambda: elsewhere.append(ids.generate_trace_id()))
        thread.start()
        thread.join()
        assert (ids.generate_trace_id(), ids.generate_span_id()) == (7, 8)
    assert elsewhere[0] != 7
    assert ids.generate_trace_id() != 7
    assert ids.generate_span_id() != 8


def test_a_traceparent_is_read_as_it_is_written() -> None:
    span = SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=False, trace_flags=TraceFlags(1))
    assert written_traceparent(span) == f"00-{TRACE}-{SPAN}-01"
    found = read_traceparent(f" 00-{TRACE}-{SPAN}-00 ")
    assert found is not None
    assert (found.trace_id, found.span_id, found.is_remote) == (span.trace_id, span.span_id, True)
    assert not found.trace_flags.sampled
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01-of-a-later-version") is not None


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 10_000}",
    ],
)  # fmt: skip
def test_what_is_malformed_is_no_span(text: str | None) -> None:
    assert read_traceparent(text) is None
