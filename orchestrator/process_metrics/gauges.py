"""Gauges that are absent while their value is not known: an autoscaler must not read an outage as an idle system."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric


@dataclass(frozen=True)
class Gauge:
    """A gauge with its labels."""

    name: str
    help_text: str
    labels: tuple[str, ...] = ()


Values = dict[Gauge, dict[tuple[str, ...], float]]
"""Gauge → values of its labels → value."""

# Of an ingress, in `/metrics`.
BREAKER_OPEN = Gauge(
    "voiceagent_redis_breaker_open", "Web processes on this port whose circuit breaker is open: Redis is down for them."
)
LOCAL_CALLS = Gauge("voiceagent_local_calls", "Calls that run in the memory of an ingress because Redis is down.")
OPEN_CONNECTIONS = Gauge("voiceagent_open_connections", "Open connections on this port, sockets of relays included.")
CONNECTION_LIMIT = Gauge("voiceagent_connection_limit", "How many connections may be open on this port.")
INGRESS_UTILIZATION = Gauge(
    "voiceagent_ingress_utilization", "Open connections over their limit, 0 to 1: for autoscaling of ingresses."
)
SHEDDING = Gauge(
    "voiceagent_shedding", "Web processes on this port that refuse new calls, since turns wait too long for a worker."
)
OF_INGRESSES = (BREAKER_OPEN, LOCAL_CALLS, SHEDDING, OPEN_CONNECTIONS, CONNECTION_LIMIT, INGRESS_UTILIZATION)
SUMMED = (BREAKER_OPEN, LOCAL_CALLS, SHEDDING)
"""Those that are summed over the web processes on a port; the others describe the port, whichever answers."""

# Of the system, in `/metrics/fleet`.
REDIS_UP = Gauge("voiceagent_redis_up", "1 if Redis answers, else 0 and nothing else is exposed.")
FLEET_WORKERS = Gauge("voiceagent_fleet_workers", "Workers by what they report.", ("state", "version"))
WORKER_SLOTS = Gauge("voiceagent_worker_slots", "How many turns the running workers may run at a time.")
WORKER_SLOTS_BUSY = Gauge("voiceagent_worker_slots_busy", "How many turns run in the running workers.")
WORKER_UTILIZATION = Gauge(
    "voiceagent_worker_utilization", "Busy turn slots over all turn slots, 0 to 1: for autoscaling of workers."
)
STUCK_THREADS = Gauge("voiceagent_agent_threads_stuck", "Threads of workers that a blocking agent holds.")
OLDEST_WAIT = Gauge("voiceagent_queue_oldest_wait_seconds", "How long the call that has waited longest has been due.")
DEAD_LETTERS = Gauge("voiceagent_dead_letters", "Dead letters that are kept.")
OUTBOX_CALLS = Gauge("voiceagent_outbox_calls", "Calls that are open or have events that are not delivered.")
OUTBOX_EVENTS = Gauge("voiceagent_outbox_events", "Events that are not delivered to every sink.")
OUTBOX_BYTES = Gauge("voiceagent_outbox_bytes", "Bytes of the events that are kept.")
OUTBOX_LIMIT = Gauge("voiceagent_outbox_limit_bytes", "The most bytes of events that are kept (EVENTS_MAX_BYTES).")
OUTBOX_OLDEST = Gauge("voiceagent_outbox_oldest_age_seconds", "The age of the oldest event that is not delivered.")
OUTBOX_DEAD = Gauge("voiceagent_outbox_dead_deliveries", "Deliveries that were given up.")
OUTBOX_SURVEYED = Gauge("voiceagent_outbox_survey_timestamp_seconds", "When the outboxes were surveyed last.")
SINK_PENDING = Gauge("voiceagent_sink_pending_deliveries", "Deliveries to a sink that are still to be made.", ("sink",))
SINK_DEAD = Gauge("voiceagent_sink_dead_deliveries", "Deliveries to a sink that were given up.", ("sink",))
SINK_OLDEST = Gauge("voiceagent_sink_oldest_age_seconds", "The age of the oldest pending delivery.", ("sink",))
SINK_OVERDUE = Gauge("voiceagent_sink_overdue_seconds", "How late the next attempt at a delivery is.", ("sink",))
SINK_STOPPED = Gauge("voiceagent_sink_stopped", "1 while a sink gets nothing, because it answered 410.", ("sink",))
ROLLOUT_RATIO = Gauge(
    "voiceagent_rollout_new_calls_ratio", "The part of the new calls that a version gets by the rollout plan, 0 to 1.",
    ("version",),
)  # fmt: skip
ROLLED_BACK = Gauge(
    "voiceagent_rollout_rolled_back", "1 if workers have rolled the version back, until the rollout plan is changed.",
    ("version",),
)  # fmt: skip
OF_OUTBOXES = (
    OUTBOX_CALLS, OUTBOX_EVENTS, OUTBOX_BYTES, OUTBOX_LIMIT, OUTBOX_OLDEST, OUTBOX_DEAD, OUTBOX_SURVEYED,
    SINK_PENDING, SINK_DEAD, SINK_OLDEST, SINK_OVERDUE, SINK_STOPPED,
)  # fmt: skip
OF_THE_FLEET = (
    REDIS_UP, FLEET_WORKERS, WORKER_SLOTS, WORKER_SLOTS_BUSY, WORKER_UTILIZATION, STUCK_THREADS, OLDEST_WAIT,
    DEAD_LETTERS, ROLLOUT_RATIO, ROLLED_BACK, *OF_OUTBOXES,
)  # fmt: skip


def gauge_families(values: Mapping[Gauge, Mapping[tuple[str, ...], float]]) -> Iterator[Metric]:
    """Return Prometheus' families of the gauges that have a value."""
    for gauge, by_labels in values.items():
        metric = GaugeMetricFamily(gauge.name, gauge.help_text, labels=gauge.labels)
        for labels, value in sorted(by_labels.items()):
            metric.add_metric(labels, value)
        if by_labels:
            yield metric
