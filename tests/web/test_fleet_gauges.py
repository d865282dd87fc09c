"""What the workers' reports, and those on the outboxes, add up to."""

from orchestrator.events.outbox_report import OutboxReport, SinkReport
from orchestrator.process_metrics import gauges
from web.fleet_metrics import outbox_gauges, worker_gauges


async def test_without_redis_there_are_no_workers(ingress) -> None:
    answer = await ingress.client.get("/metrics/fleet")
    assert answer.status_code == 404
    assert "USE_REDIS" in answer.text


def test_workers_that_drain_or_were_lost_offer_no_slots() -> None:
    values = worker_gauges(
        [
            {"running": 3, "slots": 10, "stuck_threads": 1, "version": "2"},
            {"running": 9, "slots": 10, "stuck_threads": 1, "version": "2", "draining": True},
            {"running": 9, "slots": 10, "stuck_threads": 1, "version": "1", "lost": True},
        ]
    )
    assert values == {
        gauges.FLEET_WORKERS: {("running", "2"): 1, ("draining", "2"): 1, ("lost", "1"): 1},
        gauges.STUCK_THREADS: {(): 2},
        gauges.WORKER_SLOTS: {(): 10},
        gauges.WORKER_SLOTS_BUSY: {(): 3},
        gauges.WORKER_UTILIZATION: {(): 0.3},
    }


def test_what_no_worker_reports_is_absent() -> None:
    older = {"running": 3, "version": "1", "stuck_threads": 0}
    assert gauges.WORKER_UTILIZATION not in worker_gauges([older])
    assert gauges.WORKER_UTILIZATION not in worker_gauges([{"lost": True, "slots": 4}])
    assert worker_gauges([older, {"running": 1, "slots": 4}])[gauges.WORKER_UTILIZATION] == {(): 0.25}
    assert worker_gauges([]) == {gauges.FLEET_WORKERS: {}}


def test_damaged_reports_harm_no_sum() -> None:
    broken = [{"slots": "many", "running": 1}, {"slots": -3}, {"slots": float("nan")}, {"slots": 2, "running": 99}]
    assert worker_gauges(broken)[gauges.WORKER_UTILIZATION] == {(): 1}


def test_the_survey_of_the_outboxes_is_exposed_with_each_sink() -> None:
    sink = SinkReport(pending=4, dead=1, oldest_seconds=9.5, overdue_seconds=2, stopped=True)
    report = OutboxReport(
        at=1.7e9, calls=2, events=5, bytes=900, max_bytes=1000, oldest_seconds=9.5, dead=1, sinks={"webhook": sink}
    )
    values = outbox_gauges(report)
    assert set(values) == set(gauges.OF_OUTBOXES)
    assert values[gauges.OUTBOX_BYTES] == {(): 900}
    assert values[gauges.SINK_PENDING] == {("webhook",): 4}
    assert values[gauges.SINK_STOPPED] == {("webhook",): 1}
