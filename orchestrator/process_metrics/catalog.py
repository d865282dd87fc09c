"""The metrics that a process counts, and who counts them.

Count where it happens: `catalog.CALLS_RESCUED.inc()`. Labels never hold a call SID, a phone number, or anything else
that a stranger chooses: each combination is a time series for good.
"""

import time
from collections.abc import Iterable

from orchestrator.process_metrics.families import Counter, Counts, Family, Histogram

RUN_LIMITS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)
MODEL_LIMITS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 40)
LATE_LIMITS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)
LAG_LIMITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

EVENT_LOOP_LAG = Histogram(
    "voiceagent_event_loop_lag_seconds", "How much later than due the event loop of a process ran a timer.",
    limits=LAG_LIMITS,
)  # fmt: skip

# Counted by whatever runs turns: a worker; an ingress without Redis, or while Redis is down.
AGENT_RUN_SECONDS = Histogram(
    "voiceagent_agent_run_seconds", "Runs of an agent for a turn, by how they ended.", ("agent", "outcome"),
    limits=RUN_LIMITS,
)  # fmt: skip
AGENT_FIRST_TOKEN_SECONDS = Histogram(
    "voiceagent_agent_first_token_seconds", "From the beginning of an agent's run to the first thing it yields.",
    ("agent",), limits=RUN_LIMITS,
)  # fmt: skip
MODEL_REQUEST_SECONDS = Histogram(
    "voiceagent_model_request_seconds", "Requests to a language model, by how they ended.", ("model", "result"),
    limits=MODEL_LIMITS,
)  # fmt: skip
MODEL_FIRST_TOKEN_SECONDS = Histogram(
    "voiceagent_model_first_token_seconds", "From a request to a language model to its first token or tool call.",
    ("model",), limits=MODEL_LIMITS,
)  # fmt: skip
MODEL_TOKENS = Counter(
    "voiceagent_model_tokens_total", "Tokens that language models read (input) and wrote (output).",
    ("model", "direction"),
)  # fmt: skip
TEXT_MESSAGES = Counter(
    "voiceagent_text_messages_total", "Text messages that agents sent, and what became of them.", ("status",)
)
EVENT_DELIVERIES = Counter(
    "voiceagent_event_deliveries_total", "Attempts to deliver an event to a sink, and what became of it.",
    ("sink", "result"),
)  # fmt: skip
EVENT_DELIVERY_SECONDS = Histogram(
    "voiceagent_event_delivery_seconds", "How long a sink took for an attempt to deliver an event.", ("sink",),
    limits=RUN_LIMITS,
)  # fmt: skip
LEASES_LOST = Counter(
    "voiceagent_leases_lost_total", "Turns that a process had to leave: another was granted the call."
)
TURNS_DEAD_LETTERED = Counter("voiceagent_turns_dead_lettered_total", "Turns put among the dead letters.")
CALLS_ERASED = Counter("voiceagent_calls_erased_total", "Calls that were erased everywhere, at the API's request.")
RECORDS_EXPIRED = Counter(
    "voiceagent_records_expired_total", "Rows of the database that were deleted as older than RETENTION_DAYS.",
    ("table",),
    (("calls", "events"),),
)  # fmt: skip
DELIVERIES_DROPPED = Counter(
    "voiceagent_event_deliveries_dropped_total", "Dead deliveries dropped as events took more than EVENTS_MAX_BYTES."
)

# Counted by workers alone.
CALLS_RESCUED = Counter(
    "voiceagent_calls_rescued_total", "Calls whose turns waited without a lease holder, and for which one was woken."
)
MOVED_CALLS = Counter(
    "voiceagent_unpinned_calls_total", "Calls that went on at another version, as no worker of their own lived."
)
PUSHED_GRANTS = Counter("voiceagent_pushed_grants_total", "Calls that were granted to a worker along with the wake-up.")
TIMERS = Counter(
    "voiceagent_timers_total", "Timers that were due: their turn was submitted, or dropped with their call.",
    ("result",), (("fired", "dropped"),),
)  # fmt: skip
TIMER_LATE_SECONDS = Histogram(
    "voiceagent_timer_late_seconds", "How much later than due the turn of a timer was submitted.", limits=LATE_LIMITS
)

ACTIVITIES = Counter(
    "voiceagent_activities_total",
    "Runs of activities: completed, failed for good, to be retried, cancelled here, dropped with their call, or lost: "
    "another worker had it by the end.",
    ("result",), (("completed", "failed", "retried", "cancelled", "dropped", "lost"),),
)  # fmt: skip
ACTIVITY_SECONDS = Histogram("voiceagent_activity_seconds", "How long a run of an activity took.", limits=RUN_LIMITS)

# Counted by ingresses alone.
CALLERS_HELD = Counter(
    "voiceagent_callers_held_total", "Callers who heard a filler because no reply had come: how often they were held.",
    ("channel", "reason"), (("gather", "relay"), ("agent", "redis")),
)  # fmt: skip
FILLERS = Counter(
    "voiceagent_fillers_total", "Fillers said to callers who were held.", ("channel",), (("gather", "relay"),)
)
DUPLICATES_ABSORBED = Counter(
    "voiceagent_duplicates_absorbed_total", "Turns that came again and were answered by what was there.", ("channel",),
    (("gather", "relay", "api"),),
)  # fmt: skip
SIGNATURE_FAILURES = Counter(
    "voiceagent_signature_failures_total", "Webhooks and upgrades refused because of their signature.", ("provider",),
    (("twilio", "telnyx", "signalwire"),),
)  # fmt: skip
CALLS_REFUSED = Counter(
    "voiceagent_calls_refused_total", "New calls that were not taken: a limit is reached, or a route's hook says so.",
    ("reason",), (("limit", "hook", "caller", "destination", "overload"),),
)  # fmt: skip
REQUESTS_LIMITED = Counter(
    "voiceagent_api_requests_limited_total", "Requests to the API that were answered 429: their key had sent too many."
)
CALLS_WRITTEN_BACK = Counter(
    "voiceagent_calls_written_back_total", "Attempts to write calls back to Redis that continued in memory.",
    ("result",), (("written", "failed"),),
)  # fmt: skip
REDIS_OUTAGES = Counter(
    "voiceagent_redis_outages_total", "How often Redis was found to be down: the circuit breaker opened."
)

OF_EVERY_PROCESS: tuple[Family, ...] = (EVENT_LOOP_LAG,)
OF_MODELS: tuple[Family, ...] = (MODEL_REQUEST_SECONDS, MODEL_FIRST_TOKEN_SECONDS, MODEL_TOKENS)
OF_RUNS: tuple[Family, ...] = (
    AGENT_RUN_SECONDS, AGENT_FIRST_TOKEN_SECONDS, *OF_MODELS, TEXT_MESSAGES, EVENT_DELIVERIES, EVENT_DELIVERY_SECONDS,
    DELIVERIES_DROPPED, RECORDS_EXPIRED, LEASES_LOST, TURNS_DEAD_LETTERED,
)  # fmt: skip
OF_WORKERS: tuple[Family, ...] = (
    CALLS_RESCUED,
    MOVED_CALLS,
    PUSHED_GRANTS,
    TIMERS,
    TIMER_LATE_SECONDS,
    ACTIVITIES,
    ACTIVITY_SECONDS,
)
OF_INGRESSES: tuple[Family, ...] = (
    CALLERS_HELD, FILLERS, DUPLICATES_ABSORBED, SIGNATURE_FAILURES, CALLS_REFUSED, REQUESTS_LIMITED,
    CALLS_WRITTEN_BACK, REDIS_OUTAGES, CALLS_ERASED,
)  # fmt: skip

IN_AN_INGRESS = (*OF_EVERY_PROCESS, *OF_RUNS, *OF_INGRESSES)
"""What `/metrics` exposes."""
IN_A_WORKER = (*OF_EVERY_PROCESS, *OF_RUNS, *OF_WORKERS)
"""What workers report, and `/metrics/fleet` exposes."""

_FAMILIES: dict[str, Family] = {family.name: family for family in {*IN_AN_INGRESS, *IN_A_WORKER}}


def observe_run(agent: str, began: float, outcome: str) -> None:
    """Count an agent's run since `began` (`time.perf_counter`)."""
    AGENT_RUN_SECONDS.observe(time.perf_counter() - began, agent, outcome)


def count_filler(channel: str, reason: str, before: int) -> None:
    """Count a filler for a caller who has heard `before` of them while they were held. `reason`: `agent` or `redis`."""
    FILLERS.inc(channel)
    if not before:
        CALLERS_HELD.inc(channel, reason)


def counts_of(families: Iterable[Family]) -> Counts:
    """Return what this process has counted with these metrics."""
    counts: Counts = {}
    for family in families:
        counts.update(family.counts())
    return counts


def add_counts(counts: Counts) -> None:
    """Add what a process has counted that belongs to this one. Ignore metrics that this version does not have."""
    for key, amount in counts.items():
        if (family := _FAMILIES.get(key.metric)) is not None:
            family.add({key: amount})
