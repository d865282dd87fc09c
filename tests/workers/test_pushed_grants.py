"""Workers that are pushed grants: killed, frozen or cut off before the turn begins, full, or on their way out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.processes import WorkerProcess, worker_processes
from support.proxy import FaultProxy
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.redis import keys
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.redis.lease_scripts import Pushed
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Lease
from workers.pushed_grants import LOST_SECONDS, ON_ITS_WAY_SECONDS, PushedGrants

AGENTS = """
import asyncio, ctypes, os, signal
from pathlib import Path

DIRECTORY = Path(__file__).parent

async def answer(turn, state):
    with open(DIRECTORY / "runs", "a") as runs:
        print(turn.call_sid, os.getpid(), file=runs)
    if turn.text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif turn.text == "freeze":
        ctypes.PyDLL(None).sleep(60)  # C code that keeps the interpreter's lock
    elif turn.text == "wait":
        while not (DIRECTORY / "go").exists():
            await asyncio.sleep(0.01)
    yield f"you said {turn.text}"
"""
ROOM = keys.worker_room()


@pytest.fixture
def start(tmp_path, redis_url):
    """Start a worker with that agent."""
    (tmp_path / "pushed_agents.py").write_text(AGENTS)
    options = {"STATE_TTL_SECONDS": "100", "AGENT": "pushed_agents:answer"}
    with worker_processes(tmp_path, redis_url=redis_url, agents=tmp_path, **options) as start:
        yield start


@pytest.fixture
def began(tmp_path):
    """Return the process of each run of the call's turn."""

    def pids(call_sid: str) -> list[int]:
        path = tmp_path / "runs"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.split()[0] == call_sid]

    return pids


def holder_of(worker: WorkerProcess) -> str:
    holder: str = worker.wait_for_event("worker.ready")["holder"]
    return holder


async def prefer(redis: Redis, holder: str, free: int = 10_000) -> None:
    """Let the next grants be pushed to `holder`, as if it had that much room and had just said so."""
    await redis.hset(keys.worker_presence(holder), "name", "x")  # type: ignore[misc]
    await redis.pexpire(keys.worker_presence(holder), keys.PRESENCE_MS + 10_000)
    await redis.zadd(ROOM, {holder: free})
    await redis.expire(ROOM, 60)


async def push(dispatcher, redis: Redis, worker: WorkerProcess, text: str, call_sid: str = "CA1"):
    """Submit a turn that is pushed to that worker."""
    holder = holder_of(worker)
    await prefer(redis, holder)
    before = await pushed_to(redis, holder)
    pending = await submit_by(dispatcher, a_turn("t1", call_sid=call_sid, text=text), opening={"channel": "api"})
    assert await pushed_to(redis, holder) == before + 1, "it was pushed to another one"
    return pending


@asynccontextmanager
async def standing_still(worker: WorkerProcess) -> AsyncIterator[None]:
    """Freeze the worker for the length of the block: each second of a turn it says how much room it has."""

    def is_still() -> bool:
        return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    worker.freeze()
    await wait_until(is_still, "it stands still")
    try:
        yield
    finally:
        worker.thaw()


async def pushed_to(redis: Redis, holder: str) -> int:
    """Return how many grants were pushed to the worker."""
    return int(await redis.hget(keys.worker_presence(holder), "pushed") or 0)  # type: ignore[misc]


@pytest.mark.processes
async def test_a_frozen_worker_costs_a_second_and_begins_nothing_once_it_is_thawed(
    start, dispatcher, began, redis_client: Redis
) -> None:
    frozen, other = start(), start()
    frozen.freeze()
    pending = await push(dispatcher, redis_client, frozen, "hello")
    result = await pending.wait(60)
    assert result is not None
    assert result.reply.text == "you said hello"
    frozen.thaw()
    left = await asyncio.to_thread(frozen.wait_for_event, "turn.lease_lost")
    assert left["call_sid"] == "CA1"
    assert frozen.pid not in began("CA1")
    assert len(began("CA1")) == 1
    await wait_until(lambda: other.events("call.rescued") or frozen.events("call.rescued"), "the log says who found it")


@pytest.mark.processes
async def test_a_worker_killed_before_it_reads_a_grant_costs_no_turn(
    start, dispatcher, began, redis_client: Redis
) -> None:
    killed, _ = start(), start()
    killed.freeze()
    pending = await push(dispatcher, redis_client, killed, "hello")
    killed.kill()
    result = await pending.wait(60)
    assert result is not None
    assert (result.outcome, len(began("CA1"))) == ("replied", 1)


@pytest.mark.processes
@pytest.mark.parametrize("text", ["die", "freeze"])
async def test_a_pushed_turn_that_ends_its_worker_at_once_ends_no_second_one(
    start, dispatcher, began, redis_client: Redis, text: str
) -> None:
    first, second = start(), start(AGENT_TIMEOUT_SECONDS="3")
    pending = await push(dispatcher, redis_client, first, text)
    result = await pending.wait(60)
    assert result is not None
    assert result.outcome == ("failed" if text == "die" else "timed_out")
    assert began("CA1")[0] == first.pid
    assert second.is_running
    assert second.pid not in began("CA1")
    assert await redis_client.hkeys(keys.DEAD_LETTERS) == [b"CA1/t1"]


@pytest.mark.processes
@pytest.mark.parametrize("reason", ["it is full", "it drains"])
async def test_what_a_worker_cannot_begin_it_gives_back_at_once(
    start, dispatcher, began, tmp_path, redis_client: Redis, reason: str
) -> None:
    busy = start(WORKER_MAX_TURNS="1", DRAIN_TIMEOUT_SECONDS="60")
    running = await push(dispatcher, redis_client, busy, "wait")
    await wait_until(lambda: began("CA1"), "its turn runs")
    if reason == "it drains":
        busy.terminate()
        await wait_until(lambda: left(redis_client, holder_of(busy)), "it has left")
    other = start()
    async with standing_still(busy):
        pending = await push(dispatcher, redis_client, busy, "hello", "CA2")
    result = await pending.wait(60)
    assert result is not None
    assert (result.outcome, began("CA2")) == ("replied", [other.pid])
    done = await asyncio.to_thread(other.wait_for_event, "turn.replied")
    assert done["attempt"] == 1
    (tmp_path / "go").touch()
    result = await running.wait(60)
    assert result is not None
    assert result.outcome == "replied"
    if reason == "it drains":
        assert await asyncio.to_thread(busy.wait_exit) == 0


async def left(redis: Redis, holder: str) -> bool:
    return await redis.zscore(ROOM, holder) is None


@pytest.mark.processes
async def test_what_was_pushed_to_a_worker_as_it_was_told_to_leave_is_answered(
    start, dispatcher, redis_client: Redis
) -> None:
    leaving, _ = start(), start()
    leaving.freeze()  # both the signal and the grants are there when it goes on
    pendings = [await push(dispatcher, redis_client, leaving, "hello", f"CA{number}") for number in range(5)]
    leaving.terminate()
    leaving.thaw()
    results = [await pending.wait(60) for pending in pendings]
    assert [result.outcome if result else None for result in results] == ["replied"] * 5
    assert await asyncio.to_thread(leaving.wait_exit) == 0
    assert await left(redis_client, holder_of(leaving))


@pytest.mark.processes
async def test_a_grant_lost_on_its_way_is_noticed_and_its_turn_run(
    start, dispatcher, began, redis_server, redis_client: Redis
) -> None:
    async with FaultProxy(redis_server.port) as proxy:
        worker = await asyncio.to_thread(start, REDIS_URL=proxy.url)
        proxy.deafen("SUBSCRIBE")
        result = await (await push(dispatcher, redis_client, worker, "hello")).wait(60)
        assert result is not None
        assert (result.outcome, len(began("CA1"))) == ("replied", 1)
        await asyncio.to_thread(worker.wait_for_event, "worker.push_lost")
        done = await asyncio.to_thread(worker.wait_for_event, "turn.replied")
        assert done["attempt"] == 1
        await wait_until(lambda: heard(redis_client, worker), "it has subscribed again")
        result = await (await push(dispatcher, redis_client, worker, "hello", "CA2")).wait(60)
        assert result is not None
        assert len(worker.events("worker.push_lost")) == 1


@pytest.mark.processes
@pytest.mark.parametrize("event", ["its subscription is made anew", "it is told to leave"])
async def test_a_lease_that_was_lost_on_its_way_is_released_before_it_ends(
    start, redis_server, redis_client: Redis, event: str
) -> None:
    patient = RedisTurnStore(redis_client, ttl_seconds=100, lease_seconds=600, push=True)
    async with FaultProxy(redis_server.port) as proxy:
        worker = await asyncio.to_thread(start, REDIS_URL=proxy.url)
        await prefer(redis_client, holder_of(worker))
        proxy.deafen("SUBSCRIBE")
        await patient.submit(a_turn("t1"), opening={"channel": "api"})
        if event == "it is told to leave":
            worker.terminate()
            assert await asyncio.to_thread(worker.wait_exit) == 0
            assert await redis_client.zrange(keys.QUEUE, 0, -1) == [b"turns:CA1"]
            claim = await patient.claim("CA1", "another")
            assert claim is not None
            assert claim.attempt == 1
        else:
            proxy.cut()
            done = await asyncio.to_thread(worker.wait_for_event, "turn.replied")
            assert done["attempt"] == 1
            assert worker.events("worker.orphans_released")
            assert not worker.events("worker.push_lost")


async def heard(redis: Redis, worker: WorkerProcess) -> bool:
    """The deaf connection may still count as a subscriber."""
    channel = keys.control_channel(holder_of(worker))
    return await redis.publish(channel, '{"c": "CA9", "t": "t9", "k": "speech"}') > 0


class Clock:
    """A monotonic clock that the test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pushed(redis_client: Redis, monotonic: Clock) -> PushedGrants:
    return PushedGrants(RedisTurnStore(redis_client, ttl_seconds=1), "anna", monotonic=monotonic)


@pytest.fixture
def monotonic() -> Clock:
    return Clock()


async def test_a_lease_is_begun_or_released_and_never_both(pushed: PushedGrants, monotonic: Clock) -> None:
    lease = Lease("CA1", "anna", 1)
    assert pushed.decide(lease)
    assert not pushed.decide(lease)
    assert pushed.decide(Lease("CA1", "anna", 2))
    monotonic.now += ON_ITS_WAY_SECONDS + 1
    assert pushed.decide(lease), "the lease of another life of the call"


async def test_what_was_pushed_in_a_gap_is_not_waited_for(pushed: PushedGrants) -> None:
    pushed.on_gap()
    assert not pushed.has_lost(Pushed(2, 10_000))
    assert pushed.received == 2


async def test_a_grant_is_lost_when_it_has_not_come_for_a_while(pushed: PushedGrants) -> None:
    lost_ms = int(LOST_SECONDS * 1000)
    assert not pushed.has_lost(Pushed(0, 10_000))
    assert not pushed.has_lost(Pushed(1, lost_ms - 1))
    assert pushed.has_lost(Pushed(1, lost_ms))
    assert not pushed.has_lost(Pushed(1, lost_ms * 2))


async def test_a_grant_is_lost_when_it_has_not_come_while_others_are_pushed_all_the_time(
    pushed: PushedGrants, monotonic: Clock
) -> None:
    assert not pushed.has_lost(Pushed(2, 0))
    monotonic.now += LOST_SECONDS / 2
    assert not pushed.has_lost(Pushed(3, 0))
    pushed.received = 2  # they were slow
    monotonic.now += LOST_SECONDS
    assert not pushed.has_lost(Pushed(3, 0))
    monotonic.now += LOST_SECONDS
    assert pushed.has_lost(Pushed(4, 0))
    assert (pushed.received, pushed.has_lost(Pushed(4, 0))) == (3, False)
    monotonic.now += LOST_SECONDS
    assert pushed.has_lost(Pushed(4, 0))
    assert (pushed.received, pushed.has_lost(Pushed(4, 0))) == (4, False)
