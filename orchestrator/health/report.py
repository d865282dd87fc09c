"""Judges what was measured of Redis, the workers and the queue: healthy, degraded or unhealthy, and why. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.health.events import EventsStatus, judge_events
from orchestrator.worker_versions.changes import told
from orchestrator.worker_versions.overview import rollback_told
from orchestrator.worker_versions.plan import RolloutPlan

Health = Literal["healthy", "degraded", "unhealthy"]

SLOW_QUEUE_SECONDS = 5.0
"""A turn that waits longer than this means that there are too few workers."""

_IN_MEMORY = "USE_REDIS is false: calls are kept and answered in this process"


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What a process measured of Redis, the workers and the queue."""

    redis_ok: bool
    """True if Redis answers."""
    redis_message: str
    """The same in a sentence, without secrets."""
    workers: int = 0
    """How many workers are alive."""
    unable_workers: int = 0
    """How many of them can claim no turns though Redis answers them."""
    queue_depth: int = 0
    """How many calls are queued for a worker."""
    oldest_wait_seconds: float = 0.0
    """By how much the most overdue of the waiting calls is overdue."""
    shed_seconds: float | None = None
    """For how long the oldest turn waits while this process refuses new calls because of that; None: it does not."""
    dead_letters: int = 0
    """How many turns are in the dead-letter list."""
    degraded: bool = False
    """True while calls are held, or run in this process without Redis; `redis_message` says why."""
    events: EventsStatus | None = None
    """What is known of undelivered events; None without sinks."""
    missing_keys: tuple[str, ...] = ()
    """The ids of encryption keys that a process lacks, though something was lately found under them."""
    rollout: RolloutPlan = field(default_factory=RolloutPlan)
    """The rollout plan of the workers' versions."""


@dataclass(frozen=True)
class HealthReport:
    """The judgement: one word for all, and one entry for each check (`status`, `message`, figures)."""

    status: Health
    checks: Mapping[str, Mapping[str, Any]]
    is_ready: bool

    @property
    def http_status(self) -> int:
        """Return 503 when unhealthy, else 200: a degraded process still answers calls."""
        return 503 if self.status == "unhealthy" else 200


def in_memory_report(events: EventsStatus | None = None) -> HealthReport:
    """Return the report of a process that needs neither Redis nor workers. `events` is None without sinks."""
    check = {"status": "disabled", "message": _IN_MEMORY}
    checks = {"redis": check, "workers": check, "queue": check, **_events(events)}
    return HealthReport(_worst(checks), checks, is_ready=True)


def unmeasured_report(message: str) -> HealthReport:
    """Return the report for a system whose status could not be read; `message` says why."""
    unknown = _unknown_without_redis()
    redis = {"status": "unhealthy", "message": message}
    return HealthReport("unhealthy", {"redis": redis, "workers": unknown, "queue": unknown}, is_ready=False)


def report(status: SystemStatus) -> HealthReport:
    """Return the report of a process in Redis mode."""
    checks = {
        "redis": _redis(status), "workers": _workers(status), "queue": _queue(status),
        **_events(status.events), **_encryption(status.missing_keys), **_rollout(status.rollout),
    }  # fmt: skip
    return HealthReport(_worst(checks), checks, is_ready=_is_ready(status))


def _is_ready(status: SystemStatus) -> bool:
    return status.redis_ok and not status.degraded and status.workers > status.unable_workers


def _redis(status: SystemStatus) -> dict[str, Any]:
    if status.degraded:
        return {"status": "degraded", "message": status.redis_message}
    if not status.redis_ok:
        return {"status": "unhealthy", "message": status.redis_message}
    return {"status": "healthy", "message": "Redis connection OK"}


def _workers(status: SystemStatus) -> dict[str, Any]:
    if not status.redis_ok:
        return _unknown_without_redis()
    if status.workers == 0:
        return {
            "status": "unhealthy",
            "message": "No worker is alive. Start one: python -m workers",
            "count": 0,
        }
    if unable := status.unable_workers:
        return {
            "status": "unhealthy" if unable >= status.workers else "degraded",
            "message": f"{unable} of {status.workers} workers can claim no turns though Redis answers. "
            "Their log says why (worker.claims_failing).",
            "count": status.workers,
            "unable": unable,
        }
    plural = "worker is" if status.workers == 1 else "workers are"
    return {"status": "healthy", "message": f"{status.workers} {plural} alive", "count": status.workers}


def _queue(status: SystemStatus) -> dict[str, Any]:
    if not status.redis_ok:
        return _unknown_without_redis()
    oldest = status.oldest_wait_seconds
    slow = oldest > SLOW_QUEUE_SECONDS
    message = f"A turn has waited for {oldest:.0f} s. Start more workers." if slow else "Turns do not wait"
    sheds = status.shed_seconds is not None
    if sheds:
        message = f"New calls are refused: a turn has waited for {status.shed_seconds:.1f} s. Start more workers."
    return {
        "status": "degraded" if slow or sheds else "healthy",
        "message": message,
        "sheds": sheds,
        "depth": status.queue_depth,
        "oldest_wait_seconds": round(oldest, 3),
        "dead_letters": status.dead_letters,
    }


def _events(status: EventsStatus | None) -> dict[str, dict[str, Any]]:
    return {} if status is None else {"events": judge_events(status)}


def _encryption(missing: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the check `encryption` while a process lacks a key. It is never unhealthy: others may have the key, and
    whoever writes into Redis can name any."""
    if not missing:
        return {}
    message = (
        f"A process lacks the encryption key {', '.join(missing)}: turns under it wait for one that has it. Give all "
        "processes the same STATE_ENCRYPTION_KEYS; their log says who lacks it (seal.unreadable)."
    )
    return {"encryption": {"status": "degraded", "message": message, "missing_keys": list(missing)}}


def _rollout(plan: RolloutPlan) -> dict[str, dict[str, Any]]:
    """Return the check `rollout` where there is a plan. It is never unhealthy: calls are answered, by whoever lives."""
    if not plan.is_active:
        return {}
    undone = rollback_told(plan)
    return {
        "rollout": {
            "status": "degraded" if undone else "healthy",
            "message": " ".join([told(plan), *undone]),
            "current": plan.current,
            "ramping": plan.ramping or None,
            "percent": plan.percent,
        }
    }


def _unknown_without_redis() -> dict[str, Any]:
    return {"status": "unknown", "message": "Unknown while Redis does not answer"}


def _worst(checks: Mapping[str, Mapping[str, Any]]) -> Health:
    found = {check["status"] for check in checks.values()}
    if "unhealthy" in found:
        return "unhealthy"
    return "degraded" if "degraded" in found else "healthy"
