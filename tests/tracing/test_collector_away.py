"""A collector that is away, slow or talks nonsense costs no turn and no process anything."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.otlp_collector import OtlpCollector
from support.processes import WebProcess, WorkerProcess
from support.servers import free_port
from support.waiting import wait_until_sync

pytestmark = pytest.mark.processes

Start = Callable[..., Any]
Call = Callable[..., Any]

HOSTILE = ("hang", "refuse", "babble", "nonsense")


@contextmanager
def endpoint(how: str) -> Iterator[str]:
    """The address of a collector that misbehaves so."""
    if how == "away":
        yield f"http://127.0.0.1:{free_port()}"
        return
    with OtlpCollector(how) as collector:
        yield collector.url


@pytest.mark.parametrize("how", ["away", *HOSTILE])
def test_turns_are_answered_and_processes_drain(start: Start, call: Call, how: str) -> None:
    with endpoint(how) as url:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_MAX_QUEUE_SIZE": "8",
                    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4"}  # fmt: skip
        web, worker = start(WebProcess, **settings), start(WorkerProcess, **settings)
        caller = call(web, "CA1")
        caller.ring()
        for number in range(1, 11):
            assert f"You said word {number}." in caller.hear(caller.say(number, f"word {number}"))
        for process in (web, worker):
            process.send(signal.SIGTERM)
        assert [process.wait_exit() for process in (web, worker)] == [0, 0]
        for process in (web, worker):
            lost = process.events("traces.lost")
            assert how == "nonsense" or 1 <= len(lost) <= 2, "the log says it once, and once more at the end"


def test_a_collector_that_is_back_gets_spans_again(start: Start, collector: OtlpCollector, call: Call) -> None:
    collector.mode = "refuse"
    web = start(WebProcess, USE_REDIS="false")
    caller = call(web, "CA1")
    caller.ring()
    web.wait_for_event("traces.lost")
    refused = len(collector.paths)
    caller.say(1, "red")
    wait_until_sync(lambda: len(collector.paths) > refused, "another export is refused")
    collector.mode = "take"
    caller.say(2, "blue")
    collector.wait_for("CA1", "turn-2", "run turn", "POST /twilio/turn/{n}")
    assert web.wait_for_event("traces.exported")["lost"] > 0
    assert len(web.events("traces.lost")) == 1


def test_the_last_spans_of_a_process_that_drains_are_exported(
    start: Start, collector: OtlpCollector, call: Call
) -> None:
    web, worker = (start(kind, OTEL_BSP_SCHEDULE_DELAY="600000") for kind in (WebProcess, WorkerProcess))
    call(web, "CA1").ring()
    assert collector.spans == []
    for process in (web, worker):
        process.terminate()
    assert [process.wait_exit() for process in (web, worker)] == [0, 0]
    collector.wait_for("CA1", "start", "run turn", "POST /twilio/voice")


def test_a_sampler_that_is_off_exports_nothing(start: Start, collector: OtlpCollector, call: Call) -> None:
    web, worker = (start(kind, OTEL_TRACES_SAMPLER="parentbased_always_off") for kind in (WebProcess, WorkerProcess))
    caller = call(web, "CA1")
    caller.ring()
    assert "blue" in caller.hear(caller.say(1, "blue"))
    for process in (web, worker):
        process.terminate()
    assert [process.wait_exit() for process in (web, worker)] == [0, 0]
    assert collector.bodies == []
