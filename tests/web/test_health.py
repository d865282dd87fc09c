"""Health pages and metrics."""

from typing import Any

import pytest
from support.ingress import QUICK, SILENT, Ingress

from orchestrator.errors import StoreUnavailable
from orchestrator.health.report import SystemStatus


def measured(**figures: Any) -> SystemStatus:
    """Return the status of two workers and an empty queue, with the fields of `figures` changed."""
    return SystemStatus(**{"redis_ok": True, "redis_message": "Redis connection OK", "workers": 2, **figures})


async def test_a_process_without_redis_is_healthy_and_ready(ingress):
    for path in ("/livez", "/readyz", "/health"):
        assert (await ingress.client.get(path)).status_code == 200
    detailed = (await ingress.client.get("/health/detailed")).json()
    assert detailed["status"] == "healthy"
    assert set(detailed["checks"]) == {"redis", "workers", "queue"}
    assert detailed["checks"]["redis"]["status"] == "disabled"


@pytest.mark.parametrize(
    ("status", "overall", "redis", "workers", "queue", "ready"),
    [
        (measured(), "healthy", "healthy", "healthy", "healthy", True),
        (measured(workers=0), "unhealthy", "healthy", "unhealthy", "healthy", False),
        (measured(queue_depth=9, oldest_wait_seconds=6), "degraded", "healthy", "healthy", "degraded", True),
        (measured(redis_ok=False, redis_message="gone"), "unhealthy", "unhealthy", "unknown", "unknown", False),
        (measured(redis_ok=False, degraded=True), "degraded", "degraded", "unknown", "unknown", False),
        (StoreUnavailable("no answer"), "unhealthy", "unhealthy", "unknown", "unknown", False),
        (KeyError("password"), "unhealthy", "unhealthy", "unknown", "unknown", False),
        (SILENT, "unhealthy", "unhealthy", "unknown", "unknown", False),
    ],
)
async def test_the_judgement_follows_what_was_measured(start_ingress, status, overall, redis, workers, queue, ready):
    async with start_ingress(timeouts=QUICK if status == SILENT else {}) as ingress:
        ingress.report(status)
        await assert_judged(ingress, overall, [redis, workers, queue], ready=ready)


async def assert_judged(ingress: Ingress, overall: str, parts: list[str], *, ready: bool) -> None:
    response = await ingress.client.get("/health/detailed")
    body = response.json()
    assert set(body) == {"status", "version", "worker_versions", "checks", "redis"}
    assert body["status"] == overall
    assert [body["checks"][name]["status"] for name in ("redis", "workers", "queue")] == parts
    assert all(check["message"] for check in body["checks"].values())
    assert response.status_code == (503 if overall == "unhealthy" else 200)
    assert (await ingress.client.get("/health")).json() == {"status": overall}
    assert (await ingress.client.get("/readyz")).status_code == (200 if ready else 503)
    assert (await ingress.client.get("/livez")).status_code == 200
    assert "password" not in response.text


async def test_a_healthy_redis_is_described_as_the_guide_says(ingress):
    ingress.report(measured())
    checks = (await ingress.client.get("/health/detailed")).json()["checks"]
    answers = {"code": "redis_answers", "params": {}, "message": "Redis connection OK", "advice": ""}
    assert checks["redis"] == {"status": "healthy", "message": "Redis connection OK", "says": [answers]}
    assert checks["workers"]["count"] == 2


async def test_metrics_count_turns_requests_and_calls(ingress):
    await ingress.begin()
    await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
    await ingress.twiml("/twilio/turn/1", SpeechResult="hi")
    await ingress.client.post("/calls/secret-sid/turns", json={"text": "hello"})
    await ingress.client.get("/no/such/path")
    text = (await ingress.client.get("/metrics")).text
    assert 'voiceagent_turns_total{channel="gather",outcome="replied"} 2.0' in text
    assert 'voiceagent_turns_total{channel="api",outcome="replied"} 1.0' in text
    assert 'voiceagent_turn_seconds_count{channel="gather",outcome="replied"} 2.0' in text
    assert 'voiceagent_http_requests_total{route="/twilio/turn/{n}",status="200"} 2.0' in text
    assert 'voiceagent_http_requests_total{route="/calls/{call_sid}/turns",status="200"} 1.0' in text
    assert 'voiceagent_http_requests_total{route="unmatched",status="404"} 1.0' in text
    assert "voiceagent_active_calls 2.0" in text
    assert "secret-sid" not in text
    assert ingress.call_sid not in text


async def test_figures_that_cannot_be_known_are_not_zero(ingress):
    ingress.report(measured(queue_depth=3))
    text = (await ingress.client.get("/metrics")).text
    assert "voiceagent_workers 2.0" in text
    assert "voiceagent_queue_depth 3.0" in text
    ingress.report(StoreUnavailable())
    text = (await ingress.client.get("/metrics")).text
    assert "voiceagent_workers NaN" in text
    assert "voiceagent_queue_depth NaN" in text


async def test_strangers_cost_one_reading_a_second_however_often_they_ask(start_ingress):
    async with start_ingress(timeouts={"fresh": 60}) as ingress:
        readings = 0

        async def system_status() -> SystemStatus:
            nonlocal readings
            readings += 1
            return measured()

        ingress.runtime.system_status = system_status
        for _ in range(5):
            for path in ("/readyz", "/health", "/health/detailed", "/metrics"):
                assert (await ingress.client.get(path)).status_code == 200
        assert readings == 1


async def test_what_health_rests_on_is_for_those_with_the_key(start_ingress):
    async with start_ingress(api_key="k", worker_version="2026-11") as ingress:
        for path in ("/health/detailed", "/metrics"):
            assert (await ingress.client.get(path)).status_code == 401
            allowed = await ingress.client.get(path, headers={"Authorization": "Bearer k"})
            assert allowed.status_code == 200
            assert "2026-11" in allowed.text
        for path in ("/livez", "/readyz", "/health"):
            assert (await ingress.client.get(path)).status_code == 200


async def test_the_versions_of_workers_are_counted(ingress):
    ingress.report(workers=[{"version": "1"}, {"version": "2"}, {"version": "2"}, {}])
    detailed = (await ingress.client.get("/health/detailed")).json()
    assert detailed["worker_versions"] == {"1": 1, "2": 2, "unknown": 1}


@pytest.mark.parametrize("path", ["/calls", "/health", "/no/such/page", "/metrics", "/twilio/voice"])
async def test_no_answer_is_kept_by_a_cache_or_taken_for_another_kind(ingress, path):
    headers = (await ingress.client.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
