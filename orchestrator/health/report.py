"""Judges what was measured of Redis, the workers and the queue: healthy, degraded or unhealthy, and why. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.health.events import EventsStatus, judge_events
from orchestrator.sentence import NO_WORKERS, Code, Sentence, said, split_advice
from orchestrator.worker_versions.changes import plan_sentence
from orchestrator.worker_versions.overview import rollback_told
from orchestrator.worker_versions.plan import RolloutPlan

Health = Literal["healthy", "degraded", "unhealthy"]

SLOW_QUEUE_SECONDS = 5.0
"""A turn that waits longer than this means that there are too few workers."""

_IN_MEMORY = Sentence("in_memory", "USE_REDIS is false: calls are kept and answered in this process")
_REDIS_ANSWERS = Sentence("redis_answers", "Redis connection OK")


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
    check = {"status": "disabled", **said(_IN_MEMORY)}
    checks = {"redis": check, "workers": check, "queue": check, **_events(events)}
    return HealthReport(_worst(checks), checks, is_ready=True)


def unmeasured_report(message: str) -> HealthReport:
    """Return the report for a system whose status could not be read; `message` says why."""
    unknown = _unknown_without_redis()
    redis = {"status": "unhealthy", **_told_by_redis("redis_unusable", message)}
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
        return {"status": "degraded", **_told_by_redis("redis_unconfirmed", status.redis_message)}
    if not status.redis_ok:
        return {"status": "unhealthy", **_told_by_redis("redis_unusable", status.redis_message)}
    return {"status": "healthy", **said(_REDIS_ANSWERS)}


def _told_by_redis(code: Code, message: str) -> dict[str, Any]:
    return {**said(Sentence(code, *split_advice(message), {"detail": message})), "message": message}


def _workers(status: SystemStatus) -> dict[str, Any]:
    if not status.redis_ok:
        return _unknown_without_redis()
    if status.workers == 0:
        return {"status": "unhealthy", **said(NO_WORKERS), "count": 0}
    if unable := status.unable_workers:
        some = Sentence(
            "workers_unable", f"{unable} of {status.workers} workers can claim no turns though Redis answers.",
            "Their log says why (worker.claims_failing).", {"unable": unable, "count": status.workers},
        )  # fmt: skip
        health = "unhealthy" if unable >= status.workers else "degraded"
        return {"status": health, **said(some), "count": status.workers, "unable": unable}
    plural = "worker is" if status.workers == 1 else "workers are"
    alive = Sentence("workers_alive", f"{status.workers} {plural} alive", "", {"count": status.workers})
    return {"status": "healthy", **said(alive), "count": status.workers}


def _queue(status: SystemStatus) -> dict[str, Any]:
    if not status.redis_ok:
        return _unknown_without_redis()
    sheds = status.shed_seconds is not None
    return {
        "status": "degraded" if _is_slow(status) or sheds else "healthy",
        **said(_waits(status)),
        "sheds": sheds,
        "depth": status.queue_depth,
        "oldest_wait_seconds": round(status.oldest_wait_seconds, 3),
        "dead_letters": status.dead_letters,
    }


def _is_slow(status: SystemStatus) -> bool:
    return status.oldest_wait_seconds > SLOW_QUEUE_SECONDS


def _waits(status: SystemStatus) -> Sentence:
    """Return what is said of the queue."""
    if (waited := status.shed_seconds) is not None:
        message = f"New calls are refused: a turn has waited for {waited:.1f} s."
        return Sentence("queue_sheds", message, "Start more workers.", {"seconds": round(waited, 1)})
    if _is_slow(status):
        seconds = round(status.oldest_wait_seconds)
        return Sentence(
            "queue_slow", f"A turn has waited for {seconds} s.", "Start more workers.", {"seconds": seconds}
        )
    return Sentence("queue_calm", "Turns do not wait")


def _events(status: EventsStatus | None) -> dict[str, dict[str, Any]]:
    return {} if status is None else {"events": judge_events(status)}


def _encryption(missing: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the check `encryption` while a process lacks a key. It is never unhealthy: others may have the key, and
    whoever writes into Redis can name any."""
    if not missing:
        return {}
    keys = ", ".join(missing)
    lacking = Sentence(
        "keys_missing", f"A process lacks the encryption key {keys}: turns under it wait for one that has it.",
        "Give all processes the same STATE_ENCRYPTION_KEYS; their log says who lacks it (seal.unreadable).",
        {"keys": keys},
    )  # fmt: skip
    return {"encryption": {"status": "degraded", **said(lacking), "missing_keys": list(missing)}}


def _rollout(plan: RolloutPlan) -> dict[str, dict[str, Any]]:
    """Return the check `rollout` where there is a plan. It is never unhealthy: calls are answered, by whoever lives."""
    if not plan.is_active:
        return {}
    undone = rollback_told(plan)
    return {
        "rollout": {
            "status": "degraded" if undone else "healthy",
            **said(plan_sentence(plan), *undone),
            "current": plan.current,
            "ramping": plan.ramping or None,
            "percent": plan.percent,
        }
    }


def _unknown_without_redis() -> dict[str, Any]:
    unknown = Sentence("unknown_without_redis", "Unknown while Redis does not answer")
    return {"status": "unknown", **said(unknown)}


def _worst(checks: Mapping[str, Mapping[str, Any]]) -> Health:
    found = {check["status"] for check in checks.values()}
    if "unhealthy" in found:
        return "unhealthy"
    return "degraded" if "degraded" in found else "healthy"
