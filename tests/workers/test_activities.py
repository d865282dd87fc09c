"""Activities run in workers: each brings one result, whatever becomes of the workers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.dispatchers import open_dispatcher
from support.processes import WorkerProcess
from support.waiting import wait_until

from orchestrator.conversation.state import ConversationState
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn

pytestmark = pytest.mark.processes

AGENT = '''
import asyncio, os, time
from pathlib import Path

from orchestrator import CancelActivity, HangUp, StartActivity


def note(what):
    with open("runs", "a") as runs:
        print(what, os.getpid(), file=runs)


def opened():
    return Path("go").exists()


async def waits(idempotency_key):
    """Waits until the file `go` is there, or it is cancelled."""
    note("waits")
    try:
        while not opened():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    return [os.getpid(), idempotency_key]


def waits_in_a_thread(idempotency_key):
    note("waits_in_a_thread")
    while not opened():
        time.sleep(0.01)
    return [os.getpid(), idempotency_key]


async def blocks(idempotency_key):
    """Is written as no async function should be."""
    return waits_in_a_thread(idempotency_key)


def fails():
    note("fails")
    raise ValueError("what the caller said")


async def reply(turn, state):
    """`start FUNCTION NAME`, `cancel NAME` and `hang up`; the turn of an activity says what it has brought."""
    if turn.kind == "activity":
        state.slots.setdefault(turn.text, []).append(turn.data)
        yield "So it is."
        return
    match turn.text.split():
        case ["start", function, name]:
            yield StartActivity(f"activity_agent:{function}", name=name, retries=1)
        case ["cancel", name]:
            yield CancelActivity(name)
        case ["hang", "up"]:
            yield HangUp()
    yield "Well."
'''


class Office:
    """Workers that answer with `AGENT`, and an ingress that asks them, on one Redis."""

    def __init__(self, directory: Path, url: str, stack: AsyncExitStack) -> None:
        (directory / "activity_agent.py").write_text(AGENT)
        self._directory, self._stack, self._url = directory, stack, url
        self.events = directory / "events.jsonl"
        self.redis: Redis
        self.dispatcher: QueuedDispatcher

    async def open(self) -> "Office":
        self.redis = await self._stack.enter_async_context(connect(Settings(_env_file=None, redis_url=self._url)))
        self.dispatcher = await self._stack.enter_async_context(open_dispatcher(self._url, "one"))
        return self

    def start_worker(self, **settings: str) -> WorkerProcess:
        worker = WorkerProcess(
            self._directory, redis_url=self._url, agents=self._directory, AGENT="activity_agent:reply",
            STATE_TTL_SECONDS="100", EVENTS_FILE=str(self.events), **settings,
        )  # fmt: skip
        self._stack.push(worker.__exit__)
        worker.start()
        return worker

    def go(self) -> None:
        """Let all that waits return."""
        (self._directory / "go").touch()

    async def say(self, text: str, turn_id: str = "t1") -> None:
        pending = await submit_by(self.dispatcher, a_turn(turn_id, text=text), opening={"channel": "api"})
        result = await pending.wait(60)
        assert result is not None
        assert result.outcome == "replied"

    def runs(self) -> list[tuple[str, int]]:
        """What was noted, and by which process."""
        path = self._directory / "runs"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(what, int(pid)) for what, pid in map(str.split, lines)]

    async def began(self, count: int = 1) -> int:
        """Wait until so many runs have begun. Return the process of the last."""
        await wait_until(lambda: len(self.runs()) >= count, f"{count} runs have begun")
        return self.runs()[-1][1]

    async def state(self) -> ConversationState:
        state = await RedisStateManager(self.redis, 100).get_state("CA1")
        assert state is not None
        return state

    async def result(self, name: str) -> object:
        """Wait for the turn of the activity. Fail if it has brought more than one."""

        async def came() -> bool:
            return name in (await self.state()).slots

        await wait_until(came, f"{name} has brought its result")
        await self.settled()
        (data,) = (await self.state()).slots[name]
        return data

    async def settled(self) -> None:
        """Wait until nothing is scheduled any more."""

        async def is_settled() -> bool:
            return not await self.redis.exists(keys.schedule("CA1"))

        await wait_until(is_settled, "nothing is scheduled any more")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def office(tmp_path: Path, redis_url: str, stack: AsyncExitStack) -> Office:
    return await Office(tmp_path, redis_url, stack).open()


def by(pid: int, workers: list[WorkerProcess]) -> tuple[WorkerProcess, WorkerProcess]:
    """Return the worker with this process id, and the other one."""
    one, other = sorted(workers, key=lambda worker: worker.pid != pid)
    assert one.pid == pid
    return one, other


@pytest.mark.parametrize("function", ["waits", "waits_in_a_thread", "blocks"])
async def test_the_call_talks_on_until_the_result_comes(office: Office, function: str) -> None:
    worker = office.start_worker()
    await office.say(f"start {function} it")
    await office.began()
    await office.say("small talk", "t2")
    office.go()
    data = await office.result("it")
    assert data["result"][0] == worker.pid
    assert data["result"][1].startswith("CA1/activity-")
    assert (await office.state()).activities == {}


@pytest.mark.parametrize("function", ["waits", "waits_in_a_thread"])
async def test_another_worker_runs_what_a_killed_one_had(
    tmp_path: Path, each_redis_url: str, stack: AsyncExitStack, function: str
) -> None:
    office = await Office(tmp_path, each_redis_url, stack).open()
    workers = [office.start_worker(), office.start_worker()]
    await office.say(f"start {function} it")
    killed, other = by(await office.began(), workers)
    killed.kill()
    await office.began(2)
    office.go()
    assert (await office.result("it"))["result"][0] == other.pid


@pytest.mark.parametrize("function", ["waits", "waits_in_a_thread"])
async def test_of_a_frozen_worker_and_its_successor_one_result_comes(office: Office, function: str) -> None:
    workers = [office.start_worker(), office.start_worker()]
    await office.say(f"start {function} it")
    frozen, other = by(await office.began(), workers)
    frozen.freeze()
    await office.began(2)
    office.go()
    data = await office.result("it")
    assert data["result"][0] == other.pid
    frozen.thaw()
    await wait_until(lambda: _is_done_with_it(frozen), "the frozen worker is done with it")
    assert await office.result("it") == data


def _is_done_with_it(worker: WorkerProcess) -> bool:
    """True if it has heard that the activity is another's, or has not been able to settle it."""
    return bool(worker.events("activity.cancelled") or worker.events("activity.lease_lost"))


async def test_a_worker_that_drains_lets_activities_end(office: Office) -> None:
    draining = office.start_worker(DRAIN_TIMEOUT_SECONDS="60")
    await office.say("start waits it")
    await office.began()
    draining.terminate()
    office.start_worker()
    assert draining.is_running
    office.go()
    assert (await office.result("it"))["result"][0] == draining.pid
    assert len(office.runs()) == 1
    await asyncio.to_thread(draining.wait_exit)


async def test_another_worker_runs_what_a_drain_cannot_wait_for(office: Office) -> None:
    workers = [office.start_worker(DRAIN_TIMEOUT_SECONDS="1") for _ in range(2)]
    await office.say("start waits it")
    drained, other = by(await office.began(), workers)
    drained.terminate()
    await office.began(3)
    assert ("cancelled", drained.pid) in office.runs()
    office.go()
    assert (await office.result("it"))["result"][0] == other.pid


@pytest.mark.parametrize("order", ["cancel it", "hang up"])
async def test_an_activity_is_cancelled_where_it_runs(office: Office, order: str) -> None:
    workers = [office.start_worker(), office.start_worker()]
    await office.say("start waits it")
    running, _ = by(await office.began(), workers)
    await office.say(order, "t2")
    await wait_until(lambda: ("cancelled", running.pid) in office.runs(), "it is cancelled")
    await office.settled()
    state = await office.state()
    assert (state.activities, state.slots) == ({}, {})
    assert len(office.runs()) == 2


async def test_a_call_that_ends_says_of_its_activities_that_they_are_dropped(office: Office) -> None:
    office.start_worker()
    await office.say("start waits it")
    await office.began()
    await office.say("hang up", "t2")

    def told() -> list[str]:
        lines = office.events.read_text().splitlines() if office.events.exists() else []
        events = [json.loads(line) for line in lines]
        return [it["data"]["class"] for it in events if it["type"] == "activity.failed"]

    await wait_until(told, "it is told")
    assert told() == ["call_ended"]


async def test_a_worker_runs_no_more_activities_than_it_may(office: Office) -> None:
    office.start_worker(WORKER_MAX_ACTIVITIES="1")
    await office.say("start waits one")
    await office.began()
    await office.say("start waits two", "t2")
    await office.say("small talk", "t3")
    assert len(office.runs()) == 1
    office.go()
    await office.result("one")
    await office.result("two")


async def test_a_function_that_fails_is_tried_again_and_its_words_stay_with_it(office: Office) -> None:
    worker = office.start_worker()
    await office.say("start fails it")
    assert await office.result("it") == {"error": "ValueError"}
    assert len(office.runs()) == 2
    assert len(worker.events("activity.failed")) == 2
    assert "what the caller said" not in worker.log


async def test_a_second_start_under_a_live_name_fails_its_turn(office: Office) -> None:
    office.start_worker()
    await office.say("start waits it")
    pending = await submit_by(office.dispatcher, a_turn("t2", text="start waits it"), opening={"channel": "api"})
    result = await pending.wait(60)
    assert result is not None
    assert result.outcome == "failed"
    office.go()
    await office.result("it")
    assert len(office.runs()) == 1
