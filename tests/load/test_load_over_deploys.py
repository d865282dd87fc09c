"""`voiceagent load` over a relay, while ingresses come and go: it blames the server for nothing of its own."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import pytest
from support.programs import programs, ready
from support.proxy import FaultProxy
from support.servers import RedisServer, free_port
from support.terminal import run_script
from support.waiting import wait_until

from orchestrator.load.results import TurnNote
from orchestrator.provider_simulator import LostLine

pytestmark = pytest.mark.processes

CALLS = 8
LINE_DELAY_SECONDS = 0.1
"""So that lines are closed while callers think, and opened again when they have thought."""
SHAPE = ("--calls", str(CALLS), "--turns", "6", "--channel", "relay", "--pace", "80", "--think", "0.8")


@pytest.fixture
async def ingresses(tmp_path: Path, start_redis) -> AsyncIterator[tuple[list[Popen[bytes]], list[int]]]:
    redis: RedisServer = start_redis()
    ports = [free_port(), free_port()]
    with programs(tmp_path, VOICE_CHANNEL="relay", DRAIN_TIMEOUT_SECONDS="5") as start:
        webs = [start("web", REDIS_URL=redis.url, PORT=str(port)) for port in ports]
        start("workers", REDIS_URL=redis.url)
        for port in ports:
            await ready(f"http://127.0.0.1:{port}")
        yield webs, ports


async def figures_of(tmp_path: Path, line: FaultProxy, amid: Callable[[], None], *more: str) -> tuple[int, Any]:
    """The exit code and the figures of a load, in the middle of which something happens."""
    url = f"http://127.0.0.1:{line.port}"
    loading = asyncio.create_task(run_script("load", "--url", url, "--json", *SHAPE, *more, cwd=tmp_path))

    async def have_spoken() -> bool:
        async with httpx.AsyncClient(timeout=30) as client:
            calls = (await client.get(f"http://127.0.0.1:{line.target}/calls")).json()["calls"]
        return len(calls) == CALLS and all(call["turns"] >= 2 for call in calls)

    await wait_until(have_spoken, "all callers talk", 60)
    amid()
    code, output, errors = await loading
    assert "Traceback" not in errors
    return code, json.loads(output)


@pytest.mark.parametrize("more", [(), ("--interrupt", "0.3")])
async def test_a_deploy_loses_nothing_and_nothing_is_said_to_be_lost(tmp_path: Path, ingresses, more):
    webs, ports = ingresses
    async with FaultProxy(ports[0]) as line:

        def deploy() -> None:
            line.delay(LINE_DELAY_SECONDS)
            line.target = ports[1]
            webs[0].send_signal(signal.SIGTERM)

        code, figures = await figures_of(tmp_path, line, deploy, *more)
    audit = figures["audit"]
    assert (code, figures["errors"], figures["turns_unanswered"]) == (0, {}, 0), figures
    assert (audit["calls"], audit["turns"], audit["lost"], audit["dead_lines"]) == (CALLS, CALLS * 6, 0, 0)
    assert figures["turns_answered"] + audit["cut_off"] <= CALLS * 7
    assert figures["retries"] >= 1, "lines were closed"


async def test_lines_that_break_cost_what_was_said_into_them_and_are_no_fault_of_the_server(tmp_path: Path, ingresses):
    _, ports = ingresses
    async with FaultProxy(ports[0]) as line:
        code, figures = await figures_of(tmp_path, line, line.cut, "--interrupt", "0.3")
    audit = figures["audit"]
    assert (code, figures["errors"], figures["turns_unanswered"]) == (0, {}, 0), figures
    assert (audit["calls"], audit["lost"], audit["misheard"]) == (CALLS, 0, 0)
    assert audit["turns"] + audit["dead_lines"] == CALLS * 6


def test_what_was_heard_is_compared_as_far_as_it_is_known():
    cut = TurnNote("words", heard="of it", cut_by=TurnNote("more"))
    assert cut.agrees_with("of it")
    assert not cut.agrees_with("all of it")
    cut.spans_lines = True
    assert cut.agrees_with("all of it")
    assert not cut.agrees_with(None)
    cut.cut_by.uncertain = True
    assert cut.agrees_with(None)
    assert LostLine(("more",)).unsent == ("more",)
