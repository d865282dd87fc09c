"""The judgement of events that are not delivered."""

from typing import Any

import pytest

from orchestrator.dispatch.opening import open_runtime
from orchestrator.events.outbox_report import OutboxReport, SinkReport, read_report
from orchestrator.health.events import OLD_SECONDS, OVERDUE_SECONDS, EventsStatus, judge_events
from orchestrator.health.report import SystemStatus, in_memory_report, report
from orchestrator.redis import keys
from orchestrator.runtime import SETTLED_SECONDS, Runtime
from orchestrator.settings import Settings


def a_report(sink: SinkReport, **fields: Any) -> OutboxReport:
    """The report of an outbox with one sink, half full at most."""
    return OutboxReport(at=1.0, max_bytes=1000, sinks={"webhook": sink}, **fields)


@pytest.mark.parametrize(
    ("sink", "fields", "says"),
    [
        (SinkReport(pending=1, oldest_seconds=OLD_SECONDS + 60), {}, "waited for 16 min for webhook"),
        (SinkReport(pending=1, overdue_seconds=OVERDUE_SECONDS + 1), {}, "Nobody delivers to webhook"),
        (SinkReport(pending=1, stopped=True), {}, "voiceagent events resume webhook"),
        (SinkReport(), {"bytes": 801}, "EVENTS_MAX_BYTES"),
    ],
)
def test_an_outbox_that_grows_is_degraded_and_never_unhealthy(sink: SinkReport, fields: Any, says: str) -> None:
    check = judge_events(EventsStatus(a_report(sink, **fields)))
    assert check["status"] == "degraded"
    assert says in check["message"]
    status = SystemStatus(redis_ok=True, redis_message="", workers=1, events=EventsStatus(a_report(sink, **fields)))
    found = report(status)
    assert (found.status, found.is_ready, found.http_status) == ("degraded", True, 200)


@pytest.mark.parametrize(
    ("sink", "fields", "message"),
    [
        (SinkReport(), {}, "Every event is delivered"),
        (SinkReport(dead=3), {"dead": 3}, "Every event is delivered, or dead"),
        (SinkReport(pending=1, oldest_seconds=12.3), {"oldest_seconds": 12.3}, "1 delivery waits, the oldest for 12 s"),
        (
            SinkReport(pending=2, oldest_seconds=OLD_SECONDS, overdue_seconds=OVERDUE_SECONDS),
            {"oldest_seconds": OLD_SECONDS, "bytes": 800},
            "2 deliveries wait, the oldest for 900 s",
        ),
    ],
)
def test_a_receiver_that_was_down_for_a_moment_is_no_concern(sink: SinkReport, fields: Any, message: str) -> None:
    check = judge_events(EventsStatus(a_report(sink, **fields)))
    assert (check["status"], check["message"]) == ("healthy", message)
    assert check["dead"] == fields.get("dead", 0)


def test_each_sink_is_counted_of_all_calls() -> None:
    check = judge_events(EventsStatus(a_report(SinkReport(pending=700, dead=3, oldest_seconds=12.3, stopped=True))))
    assert check["sinks"] == {"webhook": {"pending": 700, "dead": 3, "oldest_seconds": 12, "stopped": True}}


def test_without_a_report_it_is_unknown_until_one_is_missed() -> None:
    assert judge_events(EventsStatus(None))["status"] == "unknown"
    missed = judge_events(EventsStatus(None, is_missed=True))
    assert missed["status"] == "degraded"
    assert "Start a worker with the EVENTS settings" in missed["message"]


def test_without_sinks_nothing_is_said_of_events() -> None:
    assert "events" not in report(SystemStatus(redis_ok=True, redis_message="")).checks
    assert "events" not in in_memory_report().checks


def test_a_process_in_memory_is_judged_by_its_own_outbox() -> None:
    found = in_memory_report(EventsStatus(a_report(SinkReport(pending=1, overdue_seconds=90))))
    assert (found.status, found.is_ready) == ("degraded", True)
    assert found.checks["events"]["pending"] == 1
    assert in_memory_report(EventsStatus(None)).status == "healthy"


def test_a_report_survives_redis_and_what_newer_versions_add() -> None:
    written = a_report(SinkReport(pending=2, stopped=True), calls=3, events=2, bytes=44)
    assert read_report(written.model_dump_json()) == written
    assert read_report(b'{"at": 5, "moon": 1, "sinks": {"file": {"pending": 1, "phase": "full"}}}') == OutboxReport(
        at=5, sinks={"file": SinkReport(pending=1)}
    )
    for text in (None, b"", b"[]", b"\xff", b'{"at": "soon"}', "[" * 10_000):
        assert read_report(text) is None


async def test_an_ingress_misses_the_report_once_a_deployment_has_had_time_to_start(redis_client, redis_url) -> None:
    settings = Settings(use_redis=True, redis_url=redis_url, events_file="events.jsonl", agent="echo", _env_file=None)
    async with open_runtime(settings) as runtime:
        assert await events_status(runtime) == EventsStatus(None, is_missed=False)
        runtime.began_at -= SETTLED_SECONDS + 1
        assert await events_status(runtime) == EventsStatus(None, is_missed=True)
        written = a_report(SinkReport(pending=1))
        await redis_client.set(keys.OUTBOX_REPORT, written.model_dump_json(), ex=60)
        assert await events_status(runtime) == EventsStatus(written)


async def test_an_ingress_without_sinks_misses_nothing(redis_client, redis_url) -> None:
    async with open_runtime(Settings(use_redis=True, redis_url=redis_url, agent="echo", _env_file=None)) as runtime:
        runtime.began_at -= SETTLED_SECONDS + 1
        assert await events_status(runtime) is None


async def events_status(runtime: Runtime) -> EventsStatus | None:
    """What the runtime measures now."""
    status = await runtime.system_status()
    assert status is not None
    assert status.redis_ok, status.redis_message
    return status.events
