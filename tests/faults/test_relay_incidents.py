"""A relay ingress is killed: who has only the API learns which one, and which calls were connected anew."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.processes import WebProcess, WorkerProcess
from support.relay import new_ticket, relay_socket
from support.waiting import wait_until

pytestmark = pytest.mark.processes


@pytest.fixture
def webs(tmp_path: Path, redis_url: str) -> Iterator[list[WebProcess]]:
    """Three ingresses, and a worker that echoes."""
    with ExitStack() as stack:
        stack.enter_context(WorkerProcess(tmp_path, redis_url=redis_url, AGENT="echo"))
        options = {"redis_url": redis_url, "AGENT": "echo", "VOICE_CHANNEL": "relay"}
        yield [stack.enter_context(WebProcess(tmp_path, **options)) for _ in range(3)]


async def incidents(web: WebProcess) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:
        told: list[dict[str, Any]] = (await client.get("/incidents")).json()["incidents"]
    return told


async def lost_with_calls(web: WebProcess) -> list[dict[str, Any]]:
    return [it for it in await incidents(web) if it["calls_count"]]


@pytest.mark.parametrize("by_itself", [True, False], ids=["the provider reconnects", "a new document connects"])
async def test_a_killed_ingress_is_named_with_the_call_that_was_connected_anew(webs, by_itself: bool) -> None:
    killed, bystander, other = webs
    ticket = await new_ticket(killed.url, "CA1", None)
    began = time.time()
    async with relay_socket(killed.url, None) as caller:
        await caller.setup("CA1", ticket=ticket)
        await caller.reply()
        killed.kill()
        bystander.kill()  # which has never had this call
        await caller.closed()
    lost_at = time.time()
    if not by_itself:
        ticket = await new_ticket(other.url, "CA1", None)
    async with relay_socket(other.url, None) as caller:
        await caller.setup(
            "CA1", "VX2", ticket=ticket, customParameters={} if by_itself else {"lines": f"{began}-{lost_at}"}
        )
        await caller.prompt("hello")
        await caller.reply()

        await wait_until(lambda: lost_with_calls(other), "the loss is told with its call")
        (incident,) = await lost_with_calls(other)
        lost = [it["process"]["pid"] for it in await incidents(other) if it["kind"] == "ingress_lost"]
    assert (incident["kind"], incident["process"]["pid"]) == ("ingress_lost", killed.pid)
    assert [(it["call_sid"], it["how"]) for it in incident["calls"]] == [("CA1", "reconnected")]
    assert set(lost) <= {killed.pid, bystander.pid}


async def test_an_ingress_that_ends_is_named_with_the_call_whose_socket_it_closed(webs) -> None:
    leaving, _, other = webs
    ticket = await new_ticket(leaving.url, "CA1", None)
    async with relay_socket(leaving.url, None) as caller:
        await caller.setup("CA1", ticket=ticket)
        await caller.reply()
        leaving.terminate()
        await caller.closed()
    async with relay_socket(other.url, None) as caller:
        await caller.setup("CA1", "VX2", ticket=ticket)
        await caller.prompt("hello")
        await caller.reply()
        await wait_until(lambda: lost_with_calls(other), "the end is told with its call")
        (incident,) = await lost_with_calls(other)
    assert (incident["kind"], incident["process"]["pid"]) == ("ingress_stopped", leaving.pid)
    assert [(it["call_sid"], it["how"]) for it in incident["calls"]] == [("CA1", "reconnected")]
