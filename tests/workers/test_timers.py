"""Timers fire: once, in time, whatever becomes of the workers and of Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.dispatchers import open_dispatcher
from support.processes import WorkerProcess
from support.reported_workers import report_worker
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.redis.store import RedisTurnStore

pytestmark = pytest.mark.processes

AGENT = '''
from orchestrator import CancelTimer, HangUp, SetTimer

async def reply(turn, state):
    """`set NAME SECONDS`, `cancel NAME` and `hang up`; a timer's turn says what it has brought."""
    if turn.kind == "timer":
        yield f"{turn.text} rings: {turn.data}"
        return
    for order in turn.text.split(", "):
        match order.split():
            case ["set", name, seconds]:
                yield SetTimer(name, float(seconds), {"asked": turn.turn_id})
            case ["cancel", name]:
                yield CancelTimer(name)
            case ["hang", "up"]:
                yield HangUp()
    yield "Well."
'''


class Office:
    """Workers that answer with `AGENT`, and an ingress that asks them, on one Redis."""

    def __init__(self, directory: Path, url: str, stack: AsyncExitStack) -> None:
        (directory / "timer_agent.py").write_text(AGENT)
        self._directory, self._stack = directory, stack
        self.url = url
        self.redis: Redis
        self.dispatcher: QueuedDispatcher

    async def open(self) -> "Office":
        self.redis = await self._stack.enter_async_context(connect(Settings(_env_file=None, redis_url=self.url)))
        self.dispatcher = await self._stack.enter_async_context(open_dispatcher(self.url, "one"))
        return self

    def start_worker(self) -> WorkerProcess:
        worker = WorkerProcess(
            self._directory, redis_url=self.url, agents=self._directory, AGENT="timer_agent:reply",
            STATE_TTL_SECONDS="100", LOG_LEVEL="DEBUG",
        )  # fmt: skip
        self._stack.push(worker.__exit__)
        worker.start()
        return worker

    async def say(self, text: str, turn_id: str = "t1", call_sid: str = "CA1") -> None:
        turn = a_turn(turn_id, call_sid=call_sid, text=text)
        pending = await submit_by(self.dispatcher, turn, opening={"channel": "api"})
        result = await pending.wait(60)
        assert result is not None
        assert result.outcome == "replied"

    async def heard(self, call_sid: str = "CA1") -> list[str]:
        """What the timers of the call have said."""
        state = await RedisStateManager(self.redis, 100).get_state(call_sid)
        assert state is not None
        return [record.reply.text for record in state.turns if record.kind == "timer"]

    async def wait_for(self, *replies: str, call_sid: str = "CA1") -> None:
        async def is_heard() -> bool:
            return sorted(await self.heard(call_sid)) == sorted(replies)

        await wait_until(is_heard, f"{replies} were said", timeout=60)

    async def make_due(self) -> None:
        """Let the time pass until the timer of `CA1` is due."""
        key = keys.schedule("CA1")
        fields = await self.redis.hgetall(key)
        (item,) = [name for name in fields if name.startswith(b"i:")]
        await self.redis.hset(key, item, b"1 " + fields[item].partition(b" ")[2])
        index = keys.shard_of(shards_of(self.redis), "CA1").schedules
        await self.redis.zadd(index, {"CA1": 1})
        await self.redis.expire(index, 100)

    async def is_idle(self) -> bool:
        """Whether nothing is scheduled any more."""
        indexes = [shard.schedules for shard in (keys.SINGLE_SHARD, *keys.SHARDS)]
        return sum([await self.redis.exists(index) for index in indexes]) == 0


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def office(tmp_path: Path, each_redis_url: str, stack: AsyncExitStack) -> Office:
    return await Office(tmp_path, each_redis_url, stack).open()


def rings(name: str, turn_id: str = "t1") -> str:
    return f"{name} rings: {{'asked': '{turn_id}'}}"


async def test_a_timer_brings_its_turn_once(office: Office) -> None:
    office.start_worker()
    office.start_worker()
    await office.say("set late 0.4, set soon 0.1, set now 0")
    await office.wait_for(rings("now"), rings("soon"), rings("late"))
    await wait_until(office.is_idle, "nothing is scheduled any more")
    await office.wait_for(rings("now"), rings("soon"), rings("late"))


async def test_a_timer_that_is_cancelled_or_set_again_brings_no_turn(office: Office) -> None:
    office.start_worker()
    await office.say("set one 3600, set two 3600, set three 3600")
    await office.say("cancel one, set two 0.1", "t2")
    await office.wait_for(rings("two", "t2"))
    items = [name for name in await office.redis.hgetall(keys.schedule("CA1")) if name.startswith(b"i:")]
    assert len(items) == 1, "the third is left"


async def test_the_timers_of_a_call_that_ends_are_gone(office: Office) -> None:
    office.start_worker()
    await office.say("set one 3600, hang up")
    assert not await office.redis.exists(keys.schedule("CA1"))
    await office.say("set one 3600", call_sid="CA2")
    await office.say("hang up", "t2", call_sid="CA2")
    assert not await office.redis.exists(keys.schedule("CA2"))


async def test_the_timers_of_an_erased_call_are_gone(office: Office) -> None:
    office.start_worker()
    await office.say("set one 3600")
    store = RedisTurnStore(office.redis, ttl_seconds=100)
    await store.erase("CA1")
    assert not await office.redis.exists(keys.schedule("CA1"))


async def test_another_worker_fires_the_timers_of_one_that_is_killed(office: Office) -> None:
    killed = office.start_worker()
    await office.say("set one 1")
    killed.kill()
    office.start_worker()
    await office.wait_for(rings("one"))


async def test_another_worker_fires_what_a_frozen_one_has_claimed(office: Office) -> None:
    frozen = office.start_worker()
    await office.say("set one 3600")
    frozen.freeze()
    await office.make_due()
    schedule = RedisTurnStore(office.redis, ttl_seconds=100).schedule
    assert await schedule.claim("CA1", "of a process that dies then", {"timer": 1})
    office.start_worker()
    await office.wait_for(rings("one"))
    frozen.thaw()
    await wait_until(office.is_idle, "nothing is scheduled any more")
    assert await office.heard() == [rings("one")]


async def test_a_turn_that_was_submitted_but_not_settled_comes_once(office: Office) -> None:
    office.start_worker()
    await office.say("set one 3600")
    written = await office.redis.hgetall(keys.schedule("CA1"))
    for _ in range(2):  # a process that dies between the two leaves the item as it was
        await office.redis.hset(keys.schedule("CA1"), mapping=written)
        await office.redis.expire(keys.schedule("CA1"), 100)
        await office.make_due()
        await office.wait_for(rings("one"))
        await wait_until(lambda: _is_settled(office), "the item is settled")
    assert await office.heard() == [rings("one")]


async def _is_settled(office: Office) -> bool:
    return not await office.redis.exists(keys.schedule("CA1"))


async def test_timers_wait_until_a_worker_that_does_not_know_them_is_gone(office: Office) -> None:
    worker = office.start_worker()
    await report_worker(office.redis, "an old one", "v1")
    await office.say("set one 0")
    await asyncio.to_thread(worker.wait_for_event, "schedule.waiting")
    assert await office.heard() == []
    await office.redis.zrem(keys.WORKERS, "an old one")
    await office.wait_for(rings("one"))


@pytest.fixture
def durable(start_redis) -> Iterator[RedisServer]:
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


async def test_a_timer_fires_after_redis_was_restarted(
    tmp_path: Path, durable: RedisServer, stack: AsyncExitStack
) -> None:
    office = await Office(tmp_path, durable.url, stack).open()
    office.start_worker()
    await office.say("set one 1")
    durable.restart(kill=True)
    await office.wait_for(rings("one"))
