"""Several web processes on one port, with a worker and Redis: callers notice neither how many they are, nor a death."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.ingress import redirect_of, said
from support.line import lost
from support.processes import WorkerProcess
from support.puppet import STAGE, Strings
from support.servers import RedisServer
from support.supervised import PROCESSES, SupervisedWeb
from support.waiting import wait_until

from orchestrator.provider_simulator import PATIENT, Asked, PhoneLine, PlaybackSpeed, Said, Speaking

pytestmark = pytest.mark.processes

Start = Callable[..., SupervisedWeb]
TESTS = Path(__file__).parents[2]
FORM = {"From": "+15550001111", "To": "+15550002222", "Direction": "inbound"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Strings:
    """What the agent `support.puppet` hangs on."""
    return Strings(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def start(stage: Strings) -> Iterator[Start]:
    """`start(VOICE_CHANNEL="relay")`: web in two processes, with the Redis and the worker that all share."""
    directory = stage.directory
    settings = {
        "AGENT": "support.puppet:reply", STAGE: str(directory), "RUNS_FILE": str(directory / "runs"),
        "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
    }  # fmt: skip
    with RedisServer() as redis, WorkerProcess(directory, redis_url=redis.url, **settings):
        yield lambda **more: SupervisedWeb(directory, redis_url=redis.url, **settings, **more)


@pytest.fixture(scope="module")
def web(start: Start) -> Iterator[SupervisedWeb]:
    """One that tests share. Each leaves it with all its processes."""
    with start() as web:
        yield web


def who_took(web: SupervisedWeb, call_sid: str) -> str:
    """The process that a call came in at."""
    (event,) = (event for event in web.events("call.incoming") if event["call_sid"] == call_sid)
    return str(event["process"])


async def hear(client: httpx.AsyncClient, path: str, **fields: str) -> str:
    """What the caller hears after all fillers."""
    for _ in range(20):
        answer = await client.post(path, data=FORM | fields)
        document = ElementTree.fromstring(answer.text)
        if document.find("Gather") is not None:
            return said(document)
        path, fields = redirect_of(document), {"CallSid": fields["CallSid"]}
    raise AssertionError("nothing but fillers")


async def counted(client: httpx.AsyncClient) -> dict[str, float]:
    """The counts of all answered `/twilio/voice`, and how many processes said so."""
    text = (await client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        "calls": sum(
            s.value for s in samples if s.name.endswith("_total") and s.labels.get("route") == "/twilio/voice"
        ),
        "turns": sum(s.value for s in samples if s.name == "voiceagent_turn_seconds_count"),
        **{s.labels["state"]: s.value for s in samples if s.name == "voiceagent_web_processes"},
    }


async def counted_by_all(client: httpx.AsyncClient) -> dict[str, float]:
    """The same, once all have said so: who takes longer than a second for the answer is left out."""

    async def found() -> dict[str, float] | None:
        counts = await counted(client)
        return counts if counts["answered"] == PROCESSES else None

    counts = await wait_until(found, "all processes say what they have counted")
    assert counts is not None
    return counts


async def test_connections_reach_all_processes_and_each_shows_the_metrics_of_all(web):
    callers = 0
    while {event["process"] for event in web.events("call.incoming")} != set(web.children()):
        async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:
            await asyncio.gather(*(hear(client, "/twilio/voice", CallSid=f"CAn{callers + n}") for n in range(4)))
        callers += 4
    for _ in range(4):
        async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:  # a new connection each time
            found = await counted_by_all(client)
        assert found == {"calls": callers, "turns": callers, "running": PROCESSES, "answered": PROCESSES}


async def test_a_process_killed_during_a_webhook_is_as_an_ingress_that_is_lost(web, stage):
    async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:  # one connection: to one process
        assert await hear(client, "/twilio/voice", CallSid="CA1") == "Hello."
        before = await counted_by_all(client)
        asking = asyncio.create_task(
            client.post("/twilio/turn/1", data={**FORM, "CallSid": "CA1", "SpeechResult": "wait for gate"})
        )
        await wait_until(lambda: stage.is_running("gate"), "the agent is at work")
        name = who_took(web, "CA1")
        killed, starts = web.children()[name], len(web.events("web.started"))
        os.kill(killed, signal.SIGKILL)
        await lost(asking)
    async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:
        stage.go("gate")
        words = await hear(client, "/twilio/turn/1", CallSid="CA1", SpeechResult="wait for gate")
        assert words == "Well. You said wait for gate."
        await wait_until(lambda: len(web.events("web.started")) > starts, "another serves in its place")
        (event,) = web.events("web.process_ended")
        assert (event["pid"], event["how"], event["process"]) == (killed, "killed by SIGKILL", "web")
        assert (await counted_by_all(client))["calls"] == before["calls"], "what it had counted is still counted"
    assert (stage.directory / "runs").read_text().split().count("CA1/turn-1") == 1


async def test_metrics_of_a_process_that_hangs_are_those_it_sent_last(web):
    async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:
        await hear(client, "/twilio/voice", CallSid="CA2")
        before = await counted_by_all(client)
        (other,) = (pid for name, pid in web.children().items() if name != who_took(web, "CA2"))
        os.kill(other, signal.SIGSTOP)
        try:
            assert await counted(client) == before | {"answered": PROCESSES - 1}
        finally:
            os.kill(other, signal.SIGCONT)


async def test_a_process_killed_under_a_relay_is_as_an_ingress_that_is_lost(start):
    with start(VOICE_CHANNEL="relay") as web:
        line = PhoneLine(web.url, retry=PATIENT, speed=PlaybackSpeed(characters_per_second=20))
        heard: list[str] = []
        killed = ""
        async with asyncio.timeout(120), aclosing(line.call()) as call:
            async for event in call:
                if isinstance(event, Speaking) and not killed and web.events("relay.connected"):
                    killed = web.events("relay.connected")[0]["process"]
                    os.kill(web.children()[killed], signal.SIGKILL)
                if isinstance(event, Said):
                    heard.append(event.text)
                if isinstance(event, Asked) and not ("killed" not in heard[-1] and line.answer_speech("killed")):
                    line.hang_up()
        assert heard[-1] == "You said killed."
        assert len(web.events("relay.connected")) == 2
        web.terminate()
        assert web.wait_exit() == 0
