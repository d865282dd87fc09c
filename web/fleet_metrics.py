"""`/metrics/fleet`: what the workers report through Redis. To be scraped once, at any ingress."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.errors import VoiceAgentError
from orchestrator.events.outbox_report import OutboxReport
from orchestrator.fleet_metrics.fleet import Fleet, RisingCounts
from orchestrator.metrics import CONTENT_TYPE
from orchestrator.process_metrics import catalog, gauges
from orchestrator.process_metrics.exposition import metric_families
from orchestrator.process_metrics.gauges import Values, gauge_families
from orchestrator.worker_versions.plan import RolloutPlan
from web.api.key import admit
from web.health_checks import HealthChecks, health_checks_of
from web.ingress import Ingress, ingress_of

MOST_SINKS = 100


async def fleet_metrics(request: Request) -> Response:
    """Answer with the metrics of all workers. While Redis is down they say that, and nothing else."""
    ingress = ingress_of(request)
    await admit(request, ingress.settings, "read")
    if ingress.runtime.redis is None:
        raise HTTPException(404, "There are no workers: USE_REDIS is false, and /metrics has everything.")
    rising: RisingCounts = request.app.state.fleet_counts
    content = generate_latest(await _read(ingress, health_checks_of(request), rising))
    return Response(content, headers={"Content-Type": CONTENT_TYPE})


async def _read(ingress: Ingress, checks: HealthChecks, rising: RisingCounts) -> "_FleetMetrics":
    try:
        async with asyncio.timeout(ingress.timeouts.check):
            fleet = await ingress.runtime.fleet()
    except (VoiceAgentError, TimeoutError):
        fleet = None
    status = await checks.status()
    if fleet is None or status is None or isinstance(status, str) or not status.redis_ok:
        return _FleetMetrics({gauges.REDIS_UP: {(): 0}}, None)
    outbox = None if status.events is None else status.events.report
    values: Values = {
        gauges.REDIS_UP: {(): 1},
        gauges.OLDEST_WAIT: {(): status.oldest_wait_seconds},
        gauges.DEAD_LETTERS: {(): status.dead_letters},
        **worker_gauges(fleet.workers),
        **rollout_gauges(status.rollout),
        **({} if outbox is None else outbox_gauges(outbox)),
    }
    return _FleetMetrics(values, Fleet(rising.of(fleet), fleet.began, fleet.workers))


class _FleetMetrics:
    def __init__(self, values: Values, fleet: Fleet | None) -> None:
        self._values = values
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        yield from gauge_families(self._values)
        if self._fleet is not None:
            yield from metric_families(catalog.IN_A_WORKER, self._fleet.counts)


def worker_gauges(workers: list[dict[str, Any]]) -> Values:
    """Return what the workers' own reports add up to. What no worker reports is absent.

    A worker that drains takes no more turns, and one that was lost none: their slots are none.
    """
    states: Counter[tuple[str, ...]] = Counter()
    stuck = slots = busy = 0.0
    for worker in workers:
        state = "lost" if worker.get("lost") else "draining" if worker.get("draining") else "running"
        states[state, str(worker.get("version", "unknown"))] += 1
        if state != "lost":
            stuck += number_in(worker, "stuck_threads") or 0
        of_worker = number_in(worker, "slots")
        if state == "running" and of_worker:
            slots += of_worker
            busy += min(number_in(worker, "running") or 0, of_worker)
    values: Values = {gauges.FLEET_WORKERS: {labels: float(count) for labels, count in states.items()}}
    if any(state != "lost" for state, _ in states):
        values[gauges.STUCK_THREADS] = {(): stuck}
    if slots:
        values[gauges.WORKER_SLOTS] = {(): slots}
        values[gauges.WORKER_SLOTS_BUSY] = {(): busy}
        values[gauges.WORKER_UTILIZATION] = {(): busy / slots}
    return values


def rollout_gauges(plan: RolloutPlan) -> Values:
    """Return which versions get new calls, and which was rolled back; nothing without a plan."""
    shares = {plan.current: 100 - plan.percent, plan.ramping: plan.percent}
    values: Values = {gauges.ROLLOUT_RATIO: {(version,): share / 100 for version, share in shares.items() if version}}
    if plan.rollback is not None:
        values[gauges.ROLLED_BACK] = {(plan.rollback.version,): 1}
    return values


def outbox_gauges(report: OutboxReport) -> Values:
    """Return what the last survey of the outboxes found."""
    values: Values = {
        gauges.OUTBOX_CALLS: {(): report.calls},
        gauges.OUTBOX_EVENTS: {(): report.events},
        gauges.OUTBOX_BYTES: {(): report.bytes},
        gauges.OUTBOX_LIMIT: {(): report.max_bytes},
        gauges.OUTBOX_OLDEST: {(): report.oldest_seconds},
        gauges.OUTBOX_DEAD: {(): report.dead},
        gauges.OUTBOX_SURVEYED: {(): report.at},
    }
    sinks = dict(list(report.sinks.items())[:MOST_SINKS])
    values[gauges.SINK_PENDING] = {(name,): sink.pending for name, sink in sinks.items()}
    values[gauges.SINK_DEAD] = {(name,): sink.dead for name, sink in sinks.items()}
    values[gauges.SINK_OLDEST] = {(name,): sink.oldest_seconds for name, sink in sinks.items()}
    values[gauges.SINK_OVERDUE] = {(name,): sink.overdue_seconds for name, sink in sinks.items()}
    values[gauges.SINK_STOPPED] = {(name,): float(sink.stopped) for name, sink in sinks.items()}
    return values


def number_in(report: Mapping[str, Any], name: str) -> float | None:
    """Return the number that `report` has under `name`; None if it has none."""
    value = report.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


routes = [Route("/metrics/fleet", fleet_metrics)]
