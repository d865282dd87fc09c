"""Traces: the spans of a turn in every process that it passes through, exported with OpenTelemetry (extra `otel`).

This module is what the rest of the program uses. While traces are off, which is the default, each of its functions is
one comparison, and nothing of opentelemetry is imported.

    spans        what the program knows of a span
    turn_entry   the request or frame that brings a turn in, and how the turn is submitted
    turn_spans   the spans of a turn that runs
    active_span  a span that is current while a block runs
    ids          trace and span ids that follow from the turn
    export       the export, and what the log says of it
    provider     the SDK, from the settings

All spans of a turn are in one trace, whose id follows from the call SID and the turn id: webhooks that come again,
other ingresses and a second worker find it without asking anybody. An API client that sends a `traceparent` continues
its own trace instead. The turn carries the span that submitted it (`Turn.traceparent`) to the process that runs it.
"""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from orchestrator import clock
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadSetting
from orchestrator.settings import Settings
from orchestrator.settings.otel import load_otel_settings
from orchestrator.tracing.spans import NO_SPAN, AgentSpan, RunSpan, Span

if TYPE_CHECKING:
    from orchestrator.tracing.provider import Provider
    from orchestrator.tracing.turn_entry import Entry, Submission

__all__ = [
    "AgentSpan", "RunSpan", "Span", "agent_run", "at", "continued", "entry", "is_on", "now", "span", "start", "stop",
    "submission", "tool", "traceparent", "trust_entry", "turn_run",
]  # fmt: skip

HOW_TO_INSTALL = (
    "is set, so traces are to be made, and OpenTelemetry is not installed. Install the extra `otel` (pip install "
    "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http), or unset it."
)

_provider: "Provider | None" = None


def start(settings: Settings, program: str) -> None:
    """Turn traces on for this process if the `OTEL_` variables say so. Raise `BadSetting`.

    `program` is this program's name: `web`, `worker` or `agents`.
    """
    global _provider
    otel = load_otel_settings()
    if not otel.is_on:
        return
    try:
        from orchestrator.tracing.provider import open_provider
    except ImportError:
        raise BadSetting(f"{otel.cause} {HOW_TO_INSTALL}") from None
    _provider = open_provider(otel, settings, program)


def stop() -> None:
    """Export what is left, for a bounded time, and turn traces off."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        provider.close()


def is_on() -> bool:
    """True if spans are made."""
    return _provider is not None


def now() -> int:
    """Return the time as spans have it, in nanoseconds; 0 while traces are off."""
    return 0 if _provider is None else clock.machine_ns()


def at(unix_seconds: float) -> int:
    """Return a time of `orchestrator.clock` as spans have it."""
    return clock.machine_ns_at(unix_seconds)


def entry(name: str, attributes: dict[str, Any], *, began: int = 0, traceparent: str | None = None) -> "Entry | None":
    """Return what stands for a request or frame that began at `began`; None while traces are off.

    It makes its span with the first turn that is submitted while it is the current one (`Entry.current`). `traceparent`
    is what came with it: the span links to it, or continues it once the sender is known (`Entry.trust`).
    """
    if _provider is None:
        return None
    from orchestrator.tracing.turn_entry import Entry

    return Entry(_provider.spans, name, attributes, began=began or clock.machine_ns(), traceparent=traceparent)


def trust_entry() -> None:
    """Note that the sender of the current request has shown a key: its `traceparent` is continued."""
    if _provider is not None:
        from orchestrator.tracing.turn_entry import current_entry

        if (entry := current_entry.get()) is not None:
            entry.trust()


def submission(turn: Turn) -> "Submission | None":
    """Return the span of submitting `turn`, and the turn that carries it; None while traces are off."""
    if _provider is None:
        return None
    from orchestrator.tracing.turn_entry import submission as submission_of

    return submission_of(_provider.spans, turn)


def turn_run(
    turn: Turn, *, epoch: int, attempt: int, channel: str = "", state_bytes: int | None = None, began: int = 0
) -> RunSpan:
    """Return the span of running a claimed turn. `began` is `now()` before the claim, or 0."""
    if _provider is None:
        return NO_SPAN
    from orchestrator.tracing.turn_spans import ClaimFacts

    return _provider.spans.run(turn, ClaimFacts(epoch, attempt, channel, state_bytes, began))


def agent_run(agent: str, turn: Turn) -> AgentSpan:
    """Return the span of an agent's answer to `turn`."""
    return NO_SPAN if _provider is None else _provider.spans.agent(agent, turn)


def span(name: str) -> Span:
    """Return a span inside the current one."""
    return NO_SPAN if _provider is None else _provider.spans.child(name)


def tool(name: str) -> Span:
    """Return the span of a tool that a model calls. It holds neither arguments nor the result."""
    return NO_SPAN if _provider is None else _provider.spans.tool(name)


def traceparent() -> str | None:
    """Return the current span as W3C Trace Context writes it; None while traces are off or there is none."""
    return None if _provider is None else _provider.spans.traceparent()


def continued(traceparent: str | None) -> AbstractContextManager[object]:
    """Return a context manager in which spans belong to `traceparent`, a span of another process of ours."""
    return NO_SPAN if _provider is None or traceparent is None else _provider.spans.continued(traceparent)
