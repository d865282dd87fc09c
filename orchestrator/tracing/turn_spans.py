"""The spans that a process makes for a turn.

Names and attributes of an agent's span and of a tool's follow the semantic conventions for generative AI of
OpenTelemetry, `semantic-conventions-genai` v0.1.0 (`gen_ai.invoke_agent.internal`, `gen_ai.execute_tool`), which are
still in development. Our own attributes begin with `voiceagent.`. None holds what was said, a number or a secret.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, get_current_span, set_span_in_context
from opentelemetry.trace.span import NonRecordingSpan

from orchestrator.clock import machine_ns_at
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.tracing.active_span import ActiveSpan, Attached, read_traceparent, written_traceparent
from orchestrator.tracing.ids import TurnIds, run_span_id, trace_id_of

SCOPE = "voiceagent"
FAILURES = ("failed", "timed_out")
"""The outcomes of a turn that make its spans failed ones."""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What a run's span says of its claim. `began` is when the claim began (Unix nanoseconds), or 0."""

    epoch: int
    attempt: int
    channel: str = ""
    state_bytes: int | None = None
    began: int = 0


class TurnSpans:
    """Starts spans with the tracer of `provider`, whose ids come from `ids`. `version` is that of this code."""

    def __init__(self, provider: TracerProvider, ids: TurnIds, version: str) -> None:
        self._tracer = provider.get_tracer(SCOPE, version)
        self._ids = ids
        self._version = version

    def start(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        *,
        parent: SpanContext | None = None,
        trace_id: int | None = None,
        span_id: int | None = None,
        links: Sequence[SpanContext] = (),
        began: int = 0,
    ) -> Span:
        """Start a span below `parent`; without one, the first of the trace `trace_id`."""
        context = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        is_given = trace_id is not None or span_id is not None
        with self._ids.given(trace_id=trace_id, span_id=span_id) if is_given else nullcontext():
            return self._tracer.start_span(
                name, context, kind, attributes, [Link(link) for link in links], began or None
            )  # fmt: skip

    def child(self, name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: Any) -> ActiveSpan:
        """Return a span inside the current one."""
        return ActiveSpan(self._tracer.start_span(name, kind=kind, attributes=attributes))

    def run(self, turn: Turn, facts: ClaimFacts) -> "RunSpan":
        """Return the span of running a claimed turn. A second run links to the one under the lease before."""
        parent = read_traceparent(turn.traceparent)
        trace_id = trace_id_of(turn.call_sid, turn.turn_id) if parent is None else parent.trace_id
        links = []
        if facts.attempt > 1 and parent is not None:
            before = run_span_id(trace_id, facts.epoch - 1)
            links = [SpanContext(trace_id, before, is_remote=True, trace_flags=parent.trace_flags)]
        attributes = {
            **about(turn), "voiceagent.attempt": facts.attempt, "voiceagent.epoch": facts.epoch,
            "voiceagent.worker_version": self._version,
        }  # fmt: skip
        if facts.channel:
            attributes["voiceagent.channel"] = facts.channel
        if facts.state_bytes is not None:
            attributes["voiceagent.state_bytes"] = facts.state_bytes
        span = self.start(
            "run turn", SpanKind.CONSUMER, attributes, parent=parent, trace_id=trace_id,
            span_id=run_span_id(trace_id, facts.epoch), links=links, began=facts.began,
        )  # fmt: skip
        if facts.began:
            self.start("claim", SpanKind.INTERNAL, {}, parent=span.get_span_context(), began=facts.began).end()
        return RunSpan(span)

    def agent(self, name: str, turn: Turn) -> "AgentSpan":
        """Return the span of an agent's answer to `turn`, inside the current one."""
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.conversation.id": turn.call_sid,
        }
        return AgentSpan(self._tracer.start_span(f"invoke_agent {name}", attributes=attributes))

    def tool(self, name: str) -> ActiveSpan:
        """Return the span of a tool that a model calls, inside the current one."""
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
        }
        return ActiveSpan(self._tracer.start_span(f"execute_tool {name}", attributes=attributes))

    def traceparent(self) -> str | None:
        """Return the current span as W3C Trace Context writes it."""
        return written_traceparent(get_current_span().get_span_context())

    def continued(self, traceparent: str) -> AbstractContextManager[object]:
        """Return a context manager in which spans belong to the span `traceparent`."""
        parent = read_traceparent(traceparent)
        return nullcontext() if parent is None else Attached(set_span_in_context(NonRecordingSpan(parent)))


class RunSpan(ActiveSpan):
    """The span of one run of a turn: from its claim until it is committed, or left to another worker."""

    def settled(self, record: TurnRecord, status: str, error_type: str) -> None:
        """Note the turn's outcome, and what became of its commit. Not what was said: how long it is."""
        self.note(outcome=record.outcome, commit=status, reply_characters=len(record.reply.text))
        if record.outcome in FAILURES:
            self.failed(error_type or record.outcome)

    def left(self, reason: str) -> None:
        """Note why the turn is left to another worker."""
        self.note(left=reason)
        if reason == "process_lost":
            self.failed("AgentProcessLost")


class AgentSpan(ActiveSpan):
    """The span of one agent's answer."""

    def ended(self, outcome: str, error_type: str, first_word_at: datetime | None) -> None:
        """Note how the agent ended, and when it said its first word, if that was streamed."""
        self.note(outcome=outcome)
        if first_word_at is not None:
            self.span.add_event("first word", timestamp=machine_ns_at(first_word_at.timestamp()))
        if outcome in FAILURES:
            self.failed(error_type or outcome)


def about(turn: Turn) -> dict[str, Any]:
    """Return the attributes that name a turn."""
    return {
        "voiceagent.call_sid": turn.call_sid,
        "voiceagent.turn_id": turn.turn_id,
        "voiceagent.kind": str(turn.kind),
    }
