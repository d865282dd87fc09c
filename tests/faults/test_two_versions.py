"""Workers of two versions, killed at random under load: calls stay with a version that lives, and wait for none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from support.processes import WorkerProcess, worker_processes
from support.waiting import wait_until

from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.opening import open_runtime
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

AGENT = """
import asyncio, os, random

async def answer(turn, state):
    yield os.environ["WORKER_VERSION"]
    await asyncio.sleep(random.random() / 20)
"""
CALLS = 24
KILLS = 8
OPENING = {"channel": "api", "direction": "inbound"}
PATIENCE = 60


class Callers:
    """Calls that take one turn after the other; `heard` is what each was told by which version, in order."""

    def __init__(self, dispatcher) -> None:
        self.heard: dict[str, list[str]] = {f"CA{number}": [] for number in range(CALLS)}
        self._dispatcher = dispatcher
        self._stop = asyncio.Event()

    async def take_turns(self, call_sid: str) -> None:
        while not self._stop.is_set():
            await self.take_turn(call_sid)

    async def take_turn(self, call_sid: str) -> str:
        """Take one turn, and return the version that answered."""
        heard = self.heard[call_sid]
        turn = Turn(turn_id=f"t{len(heard)}", call_sid=call_sid, kind="speech", text="hello")
        result = await (await self._dispatcher.submit(turn, opening=OPENING)).wait(PATIENCE)
        assert result is not None, f"{call_sid} waits for an answer after {heard}"
        assert result.outcome == "replied", result
        heard.append(result.reply.text)
        return result.reply.text

    @property
    def moved(self) -> dict[str, list[str]]:
        """The calls that more than one version has answered."""
        return {call_sid: heard for call_sid, heard in self.heard.items() if len({*heard}) > 1}

    async def all_answered(self) -> None:
        """Wait until each has got another answer."""
        before = {call_sid: len(heard) for call_sid, heard in self.heard.items()}
        await wait_until(
            lambda: all(len(heard) > before[call_sid] for call_sid, heard in self.heard.items()),
            "every call is answered once more", PATIENCE,
        )  # fmt: skip

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for call_sid in self.heard:
                group.create_task(self.take_turns(call_sid))
            yield
            self._stop.set()


@pytest.fixture
async def callers(url):
    settings = Settings(_env_file=None, use_redis=True, redis_url=url)
    async with open_runtime(settings) as runtime:
        yield Callers(runtime.dispatcher)


@pytest.fixture(params=["one server", "a cluster"])
def url(request) -> str:
    if request.param == "one server":
        return str(request.getfixturevalue("redis_url"))
    return str(request.getfixturevalue("cluster").url)


@pytest.fixture
def start(tmp_path: Path, url: str):
    (tmp_path / "versions_agent.py").write_text(AGENT)
    options = {"STATE_TTL_SECONDS": "300", "AGENT": "versions_agent:answer"}
    with worker_processes(tmp_path, redis_url=url, agents=tmp_path, **options) as start:
        yield start


async def start_in(start, version: str) -> WorkerProcess:
    worker: WorkerProcess = await asyncio.to_thread(start, WORKER_VERSION=version)
    return worker


async def plan_halves(url: str) -> None:
    """Let half of the new calls begin at each version."""
    async with connect(Settings(_env_file=None, use_redis=True, redis_url=url)) as redis:
        for shard in (keys.SINGLE_SHARD, *keys.SHARDS):
            plan = {"revision": "1", "current": "1", "ramping": "2", "percent": "50"}
            await redis.hset(shard.rollout, mapping=plan)  # type: ignore[misc]
            await redis.expire(shard.rollout, 600)


async def forget_the_plan(url: str) -> None:
    """From now on only what a call is pinned to says where it goes."""
    async with connect(Settings(_env_file=None, use_redis=True, redis_url=url)) as redis:
        for shard in (keys.SINGLE_SHARD, *keys.SHARDS):
            await redis.delete(shard.rollout)


async def test_a_call_stays_with_its_version_while_one_of_its_workers_lives(callers, start, url: str) -> None:
    random = Random(7)
    workers = {version: [await start_in(start, version) for _ in range(2)] for version in "12"}
    await plan_halves(url)
    async with callers.talking():
        await callers.all_answered()
        await forget_the_plan(url)
        for _ in range(KILLS):
            version = random.choice("12")
            victim = workers[version].pop(random.randrange(2))
            await asyncio.to_thread(victim.kill if random.random() < 0.7 else victim.terminate)
            workers[version].append(await start_in(start, version))
            await callers.all_answered()
    assert {heard[0] for heard in callers.heard.values()} == {"1", "2"}, "both had calls"
    # One that the machine lets wait for seconds counts as dead, and then its calls go on elsewhere.
    assert len(callers.moved) <= CALLS // 8, callers.moved


@pytest.mark.parametrize("end", ["killed", "drained"])
async def test_no_call_waits_for_a_version_that_has_no_worker(callers, start, url: str, end: str) -> None:
    leaving, staying = await start_in(start, "1"), await start_in(start, "2")
    await plan_halves(url)
    async with callers.talking():
        await callers.all_answered()
        pinned = [call_sid for call_sid, heard in callers.heard.items() if heard[0] == "1"]
        assert pinned
        await asyncio.to_thread(leaving.kill if end == "killed" else leaving.terminate)
        await callers.all_answered()
        await wait_until(
            lambda: all(callers.heard[call_sid][-1] == "2" for call_sid in pinned), "all are answered by the other one",
            PATIENCE,
        )  # fmt: skip
        await start_in(start, "1")
        await callers.all_answered()
        await callers.all_answered()
    assert all("".join(heard).lstrip("1").strip("2") == "" for heard in callers.heard.values()), "none went back"
    assert staying.is_running
