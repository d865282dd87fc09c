"""The metrics that a process exposes to Prometheus. Labels never hold a call SID or a phone number."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

from orchestrator.process_metrics.catalog import IN_AN_INGRESS, counts_of
from orchestrator.process_metrics.exposition import metric_families
from orchestrator.process_metrics.families import Family
from orchestrator.process_metrics.gauges import Gauge as KnownGauge
from orchestrator.process_metrics.gauges import gauge_families
from orchestrator.stage_histogram import StageHistogram

CONTENT_TYPE = CONTENT_TYPE_LATEST

M = TypeVar("M", Counter, Histogram)

TURN_BUCKETS = (
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40,
)  # fmt: skip
"""Seconds: from the cost of an empty turn to the longest that a caller is held."""
STAGE_BUCKETS = (0.0005, 0.001, *TURN_BUCKETS)


class Metrics:
    """The metrics of one web process: those of its requests, in a registry of their own, and what it has `counted`.

    Where several web processes share a port, counters and histograms are summed over them (`web.processes`). A gauge
    is that of the process that answers: it describes the whole system. `known` has the gauges that are absent while
    their value is not known.
    """

    def __init__(self, counted: Iterable[Family] = IN_AN_INGRESS) -> None:
        self._counted = tuple(counted)
        self.known: dict[KnownGauge, float] = {}
        self._children: dict[tuple[Any, ...], Any] = {}
        registry = self._registry = CollectorRegistry()
        self._turn_seconds = Histogram(
            "voiceagent_turn_seconds", "From a turn's arrival here to the end of its reply.", ("channel", "outcome"),
            buckets=TURN_BUCKETS, registry=registry,
        )  # fmt: skip
        self._first_word_seconds = Histogram(
            "voiceagent_turn_first_word_seconds", "From a turn's arrival here to the first word of its reply.",
            ("channel",), buckets=TURN_BUCKETS, registry=registry,
        )  # fmt: skip
        self._stage_seconds = StageHistogram(
            "voiceagent_turn_stage_seconds", "How long each stage of a turn took that was answered here.", STAGE_BUCKETS
        )
        registry.register(self._stage_seconds)
        self._turns = Counter(
            "voiceagent_turns", "Turns answered here, by outcome.", ("outcome", "channel"), registry=registry
        )
        for channel in ("gather", "relay"):  # `increase()` does not see a first count that nothing was before
            self._turns.labels("unanswered", channel)
        self._requests = Counter(
            "voiceagent_http_requests", "HTTP requests answered here.", ("route", "status"), registry=registry
        )
        self._connections_refused = Counter(
            "voiceagent_connections_refused", "Connections and requests refused before they reached a route.",
            ("reason",), registry=registry,
        )  # fmt: skip
        self._build = Gauge(
            "voiceagent_build_info", "1, with the version of the code.", ("version",), registry=registry
        )
        self.active_calls = Gauge("voiceagent_active_calls", "Active calls; NaN when unknown.", registry=registry)
        self.workers = Gauge("voiceagent_workers", "Workers alive; NaN when unknown.", registry=registry)
        self.queue_depth = Gauge(
            "voiceagent_queue_depth", "Calls that wait for a worker; NaN when unknown.", registry=registry
        )
        self._web_processes = Gauge(
            "voiceagent_web_processes", "Web processes on this port, and those whose metrics are up to date here.",
            ("state",), registry=registry,
        )  # fmt: skip

    def web_processes(self, *, running: int, answered: int) -> None:
        """Expose how many processes share the port, and how many of them said what they have counted."""
        self._web_processes.labels("running").set(running)
        self._web_processes.labels("answered").set(answered)

    def turn_begun(self, *, channel: str, seconds: float) -> None:
        """Record how long a caller waited for the first word of a reply."""
        self._labelled(self._first_word_seconds, channel).observe(seconds)

    def turn_answered(self, *, channel: str, outcome: str, seconds: float | None) -> None:
        """Count a turn's reply, and the time it took if that is known."""
        if seconds is not None:
            self._labelled(self._turn_seconds, channel, outcome).observe(seconds)
        self._labelled(self._turns, outcome, channel).inc()

    def stages_taken(self, seconds: Mapping[str, float]) -> None:
        """Record how long stages of one turn took."""
        self._stage_seconds.observe(seconds)

    def request_answered(self, *, route: str, status: int) -> None:
        """Count an HTTP answer. `route` is the template (`/calls/{call_sid}`), never the path asked for."""
        self._labelled(self._requests, route, status).inc()

    def connection_refused(self, *, reason: str) -> None:
        """Count a connection or request that exceeded a bound."""
        self._connections_refused.labels(reason).inc()

    def runs(self, version: str) -> None:
        """Expose which version of the code this process runs."""
        self._build.labels(version).set(1)

    def _labelled(self, metric: M, *labels: str | int) -> M:
        """Return the child of `metric` for these labels, and keep it: `labels` checks them and takes a lock."""
        found: M | None = self._children.get((metric, labels))
        if found is None:
            found = self._children[metric, labels] = metric.labels(*labels)
        return found

    def collect(self) -> Iterator[Metric]:
        """Return all metrics as families of samples."""
        yield from self._registry.collect()
        yield from gauge_families({gauge: {(): value} for gauge, value in self.known.items()})
        yield from metric_families(self._counted, counts_of(self._counted))

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self)
