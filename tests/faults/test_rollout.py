"""Two versions of the workers under load: a ramp that fails ends by itself, and a promotion holds for the next call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from support.exposition import figure
from support.ingress import said
from support.processes import WebProcess, WorkerProcess
from support.waiting import wait_until

from orchestrator.turns.outcome import APOLOGY

pytestmark = pytest.mark.processes

SOUND = """
async def answer(turn, state):
    if turn.kind == "started":
        yield "Hello from a."
    elif turn.kind == "speech":
        yield f"a heard {turn.text}."
"""
BROKEN = """
async def answer(turn, state):
    if turn.kind == "started":
        yield "Hello from b."
    elif turn.kind == "speech":
        raise RuntimeError("this version is broken")
"""
CALLERS = 6
MOST_CALLS = 600


class Fleet:
    """A web process, and two workers: `a` is sound, and `b` raises when the caller speaks."""

    def __init__(self, web: WebProcess, a: WorkerProcess, b: WorkerProcess, client: httpx.AsyncClient) -> None:
        self.web, self.a, self.b = web, a, b
        self.client = client
        self.calls = 0

    async def call(self) -> tuple[str, list[str]]:
        """Make a call in which the caller speaks once. Return which version greeted, and what was said."""
        self.calls += 1
        sid = f"CA{self.calls:032}"
        greeting = await self.post("/twilio/voice", sid, CallStatus="ringing")
        answer = await self.post("/twilio/turn/1", sid, SpeechResult="good morning")
        await self.post("/twilio/status", sid, CallStatus="completed")
        return greeting.removesuffix(".").rpartition(" ")[2], [greeting, answer]

    async def post(self, path: str, sid: str, **fields: str) -> str:
        form = {"CallSid": sid, "From": "+15558675310", "To": "+15551234567", "CallStatus": "in-progress", **fields}
        response = await self.client.post(path, data=form)
        assert response.status_code in (200, 204), response.text
        return said_in(response.text)

    async def change(self, command: str, **fields: object) -> None:
        response = await self.client.post(f"/rollout/{command}", json=fields)
        assert response.status_code == 200, response.text

    async def rollout(self) -> dict:
        return (await self.client.get("/rollout")).json()

    def rollbacks(self) -> list[dict]:
        """The log lines of both workers that say that the ramp was ended."""
        return [*self.a.events("rollout.rolled_back"), *self.b.events("rollout.rolled_back")]


def said_in(twiml: str) -> str:
    return said(ElementTree.fromstring(twiml)) if twiml else ""


@pytest.fixture
def agents(tmp_path: Path) -> dict[str, Path]:
    directories = {name: tmp_path / name for name in ("sound", "broken")}
    for name, code in (("sound", SOUND), ("broken", BROKEN)):
        directories[name].mkdir()
        (directories[name] / "desk.py").write_text(code)
    return directories


@pytest.fixture
def redis_url(each_redis_url: str) -> str:
    return each_redis_url


@asynccontextmanager
async def a_fleet(
    directory: Path, redis_url: str, agents: dict[str, Path], versioning: str = "pinned"
) -> AsyncIterator[Fleet]:
    options = {"redis_url": redis_url, "AGENT": "desk:answer", "WORKER_VERSIONING": versioning}
    with ExitStack() as stack:
        web = stack.enter_context(WebProcess(directory, agents=agents["sound"], **options))
        a = stack.enter_context(WorkerProcess(directory, agents=agents["sound"], WORKER_VERSION="a", **options))
        b = stack.enter_context(WorkerProcess(directory, agents=agents["broken"], WORKER_VERSION="b", **options))
        async with httpx.AsyncClient(base_url=web.url, timeout=60) as client:
            fleet = Fleet(web, a, b, client)
            await wait_until(lambda: both_are_known(fleet), "both versions are known")
            yield fleet


@pytest.fixture
async def fleet(agents, tmp_path: Path, redis_url: str) -> AsyncIterator[Fleet]:
    async with a_fleet(tmp_path, redis_url, agents) as fleet:
        yield fleet


async def both_are_known(fleet: Fleet) -> bool:
    return {it["version"] for it in (await fleet.rollout())["versions"] if it["workers"]} == {"a", "b"}


async def test_a_ramp_that_fails_is_rolled_back_while_calls_go_on(fleet: Fleet) -> None:
    await fleet.change("promote", version="a")
    assert {version for version, _ in await calls(fleet, 10)} == {"a"}
    await fleet.change("ramp", version="b", percent=20)
    made = await calls_until_rolled_back(fleet)
    versions = [version for version, _ in made]
    assert 0 < versions.count("b") < len(versions) / 2, versions
    for version, (greeting, answer) in made:
        assert greeting == f"Hello from {version}."
        assert answer == ("a heard good morning." if version == "a" else APOLOGY), "an apology at most"

    told = await fleet.rollout()
    assert (told["current"], told["ramping"], told["rolled_back"]["version"]) == ("a", None, "b")
    assert {version for version, _ in await calls(fleet, 20)} == {"a"}, "no new call begins at b"
    page = (await fleet.client.get("/metrics/fleet")).text
    assert figure(page, "voiceagent_rollout_rolled_back", version="b") == 1
    assert [event["level"] for event in fleet.rollbacks()] == ["WARNING"]
    await wait_until(lambda: rollback_incidents(fleet), "the rollback is among the incidents")
    (incident,) = await rollback_incidents(fleet)
    assert (incident["process"], incident["until"], incident["calls_count"]) == (None, None, 0)
    assert incident["message"].startswith("The workers rolled a version back. b: ")


async def test_a_promotion_and_its_roll_back_hold_for_the_very_next_call(fleet: Fleet) -> None:
    for current in ("b", "a", "b"):
        await fleet.change("promote", version=current)
        assert (await fleet.call())[0] == current
    await fleet.change("roll-back")
    assert (await fleet.call())[0] == "a"
    await fleet.change("ramp", version="b", percent=100)
    assert (await fleet.call())[0] == "b"
    assert (await fleet.client.get(f"/calls/CA{fleet.calls:032}")).json()["worker_version"] == "b"


@pytest.mark.parametrize(("versioning", "answers"), [("pinned", "aaa"), ("auto", "aba")])
async def test_a_call_that_runs_stays_with_its_version_or_follows_the_plan(
    agents, tmp_path, redis_url, versioning, answers
) -> None:
    async with a_fleet(tmp_path, redis_url, agents, versioning) as fleet:
        await fleet.change("promote", version="a")
        assert await fleet.post("/twilio/voice", "CA1", CallStatus="ringing") == "Hello from a."
        for number, (current, answer) in enumerate(zip("aba", answers, strict=True), 1):
            if number > 1:
                await fleet.change("promote", version=current)
            said = await fleet.post(f"/twilio/turn/{number}", "CA1", SpeechResult="hello")
            assert said == ("a heard hello." if answer == "a" else APOLOGY)


async def rollback_incidents(fleet: Fleet) -> list[dict]:
    told = (await fleet.client.get("/incidents")).json()["incidents"]
    return [it for it in told if it["kind"] == "rollback"]


async def calls(fleet: Fleet, number: int) -> list[tuple[str, list[str]]]:
    """Make so many calls, a few at a time."""
    room = asyncio.Semaphore(CALLERS)

    async def call() -> tuple[str, list[str]]:
        async with room:
            return await fleet.call()

    return await asyncio.gather(*(call() for _ in range(number)))


async def calls_until_rolled_back(fleet: Fleet) -> list[tuple[str, list[str]]]:
    """Make calls until the log says that the ramp was ended."""
    made: list[tuple[str, list[str]]] = []
    while not fleet.rollbacks():
        assert len(made) < MOST_CALLS, "the ramp has not ended"
        made += await calls(fleet, CALLERS)
    return made
