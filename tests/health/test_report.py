"""The judgement of what was measured. The pages that show it are tested in tests/web/test_health.py."""

from typing import Any

import pytest

from orchestrator.health.report import (
    SLOW_QUEUE_SECONDS,
    HealthReport,
    SystemStatus,
    in_memory_report,
    report,
    unmeasured_report,
)


def judged(**figures: Any) -> HealthReport:
    """The judgement of a Redis that answers and two workers, but for `figures`."""
    return report(SystemStatus(**{"redis_ok": True, "redis_message": "", "workers": 2, **figures}))


@pytest.mark.parametrize(
    ("figures", "status", "is_ready"),
    [
        ({}, "healthy", True),
        ({"workers": 0}, "unhealthy", False),
        ({"unable_workers": 1}, "degraded", True),
        ({"unable_workers": 2}, "unhealthy", False),
        ({"oldest_wait_seconds": SLOW_QUEUE_SECONDS}, "healthy", True),
        ({"oldest_wait_seconds": SLOW_QUEUE_SECONDS + 1}, "degraded", True),
        ({"degraded": True}, "degraded", False),
        ({"redis_ok": False}, "unhealthy", False),
        ({"redis_ok": False, "degraded": True}, "degraded", False),
    ],
)
def test_the_worst_check_decides(figures: dict[str, Any], status: str, is_ready: bool) -> None:
    found = judged(**figures)
    assert (found.status, found.is_ready) == (status, is_ready)
    assert found.http_status == (503 if status == "unhealthy" else 200)


def test_workers_that_can_claim_nothing_are_counted() -> None:
    check = judged(unable_workers=1).checks["workers"]
    assert (check["count"], check["unable"]) == (2, 1)
    assert "1 of 2 workers" in check["message"]


def test_without_redis_nothing_is_said_of_workers_and_queue() -> None:
    checks = judged(redis_ok=False, redis_message="gone").checks
    assert [checks[name]["status"] for name in ("redis", "workers", "queue")] == ["unhealthy", "unknown", "unknown"]
    assert checks["redis"]["message"] == "gone"


def test_a_status_that_could_not_be_read_is_unhealthy_and_says_why() -> None:
    found = unmeasured_report("no answer")
    assert (found.status, found.is_ready, found.http_status) == ("unhealthy", False, 503)
    assert found.checks["redis"]["message"] == "no answer"


def test_a_process_in_memory_needs_neither_redis_nor_workers() -> None:
    found = in_memory_report()
    assert (found.status, found.is_ready) == ("healthy", True)
    assert {check["status"] for check in found.checks.values()} == {"disabled"}
