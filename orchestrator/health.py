"""The judgement of a process's vital signs: healthy, degraded or unhealthy, and why. Measures nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Status = Literal["healthy", "degraded", "unhealthy"]

SLOW_QUEUE_SECONDS = 5.0
"""A turn that waits longer than this means that there are too few workers."""

_IN_MEMORY = "USE_REDIS is false: calls are kept and answered in this process"


class VitalSigns(Protocol):
    """What a process measured of Redis, the workers and the queue."""

    @property
    def redis_ok(self) -> bool:
        """Whether Redis answers."""

    @property
    def redis_message(self) -> str:
        """The same in a sentence, without secrets."""

    @property
    def workers(self) -> int:
        """How many workers are alive."""

    @property
    def queue_depth(self) -> int:
        """How many calls wait for a worker."""

    @property
    def oldest_wait_seconds(self) -> float | None:
        """How long the first of them has waited; None when nobody waits."""

    @property
    def dead_letters(self) -> int:
        """How many turns were given up."""

    @property
    def degraded(self) -> bool:
        """Whether this process goes on without Redis, or holds calls though it answers."""


@dataclass(frozen=True)
class HealthReport:
    """The judgement: one word for all, and one entry for each check (`status`, `message`, figures)."""

    status: Status
    checks: Mapping[str, Mapping[str, Any]]
    is_ready: bool

    @property
    def http_status(self) -> int:
        """503 when unhealthy: a degraded process still answers calls."""
        return 503 if self.status == "unhealthy" else 200


def in_memory_report() -> HealthReport:
    """The report of a process that needs neither Redis nor workers."""
    check = {"status": "disabled", "message": _IN_MEMORY}
    return HealthReport("healthy", {"redis": check, "workers": check, "queue": check}, is_ready=True)


def silent_report(message: str) -> HealthReport:
    """The report when not even the vital signs could be taken; `message` says why."""
    unknown = _unknown_without_redis()
    redis = {"status": "unhealthy", "message": message}
    return HealthReport("unhealthy", {"redis": redis, "workers": unknown, "queue": unknown}, is_ready=False)


def report(vitals: VitalSigns) -> HealthReport:
    """The report of a process in Redis mode."""
    checks = {"redis": _redis(vitals), "workers": _workers(vitals), "queue": _queue(vitals)}
    return HealthReport(_worst(checks), checks, is_ready=_is_ready(vitals))


def _is_ready(vitals: VitalSigns) -> bool:
    return vitals.redis_ok and not vitals.degraded and vitals.workers > _unable(vitals)


def _unable(vitals: VitalSigns) -> int:
    """How many workers can claim nothing though Redis answers; 0 where nobody has measured it."""
    return int(getattr(vitals, "unable_workers", 0))


def _redis(vitals: VitalSigns) -> dict[str, Any]:
    if vitals.degraded:
        return {"status": "degraded", "message": vitals.redis_message}
    if not vitals.redis_ok:
        return {"status": "unhealthy", "message": vitals.redis_message}
    return {"status": "healthy", "message": "Redis connection OK"}


def _workers(vitals: VitalSigns) -> dict[str, Any]:
    if not vitals.redis_ok:
        return _unknown_without_redis()
    if vitals.workers == 0:
        return {
            "status": "unhealthy",
            "message": "No worker is alive. Start one: python -m workers",
            "count": 0,
        }
    if unable := _unable(vitals):
        return {
            "status": "unhealthy" if unable >= vitals.workers else "degraded",
            "message": f"{unable} of {vitals.workers} workers can claim no turns though Redis answers. "
            "Their log says why (worker.claims_failing).",
            "count": vitals.workers,
            "unable": unable,
        }
    plural = "worker is" if vitals.workers == 1 else "workers are"
    return {"status": "healthy", "message": f"{vitals.workers} {plural} alive", "count": vitals.workers}


def _queue(vitals: VitalSigns) -> dict[str, Any]:
    if not vitals.redis_ok:
        return _unknown_without_redis()
    oldest = vitals.oldest_wait_seconds or 0.0
    slow = oldest > SLOW_QUEUE_SECONDS
    message = f"A turn has waited for {oldest:.0f} s. Start more workers." if slow else "Turns do not wait"
    return {
        "status": "degraded" if slow else "healthy",
        "message": message,
        "depth": vitals.queue_depth,
        "oldest_wait_seconds": round(oldest, 3),
        "dead_letters": vitals.dead_letters,
    }


def _unknown_without_redis() -> dict[str, Any]:
    return {"status": "unknown", "message": "Unknown while Redis does not answer"}


def _worst(checks: Mapping[str, Mapping[str, Any]]) -> Status:
    found = {check["status"] for check in checks.values()}
    if "unhealthy" in found:
        return "unhealthy"
    return "degraded" if "degraded" in found else "healthy"
