"""What can be measured, by name and in order."""

from collections.abc import Awaitable, Callable

from benchmarks.bench import Bench
from benchmarks.measurements import (
    breakdown,
    cpu,
    dashboard,
    encryption,
    growth,
    latency,
    overload,
    relay,
    rest,
    states,
    steady,
    streaming,
    tenants,
    throughput,
)

Measurement = Callable[[Bench], Awaitable[None]]

PROGRAMME: dict[str, Measurement] = {
    "cpu": cpu.cpu,
    "breakdown": breakdown.breakdown,
    "turn": latency.inside,
    "http": latency.http,
    "peers": latency.peers,
    "isolation": latency.isolation,
    "encryption": encryption.encryption,
    "workers": throughput.workers,
    "web": throughput.web,
    "steady": steady.steady,
    "tenants": tenants.noise,
    "overload": overload.overload,
    "streaming": streaming.streaming,
    "relay": relay.relay,
    "states": states.managers,
    "history": growth.history,
    "calls": growth.calls,
    "queue": growth.queue,
    "backlog": growth.backlog,
    "idle": rest.idle_workers,
    "rest": rest.rest,
    "imports": rest.imports,
    "dashboard": dashboard.dashboard,
}


def summary(name: str) -> str:
    """What a measurement measures."""
    return (PROGRAMME[name].__doc__ or "").strip()
