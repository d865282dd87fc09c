"""One ingress at a time has a call: one that takes it over waits until the one before has released it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from support.dispatchers import open_dispatcher
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import TakeoverAttempt
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.dispatch.takeover import TakeoverTimings
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys

CALL = "CA1"
PATIENT = TakeoverTimings(answer=3600)


class Socket:
    """The socket of a call at one ingress: how it is released, and for which calls that was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_written_back = True
        self.answers = asyncio.Event()
        self.answers.set()

    async def release(self, call_sid: str) -> bool:
        self.asked.append(call_sid)
        await self.answers.wait()
        return self.is_written_back


@pytest.fixture
def socket() -> Socket:
    """The socket at the ingress that had the call."""
    return Socket()


@pytest.fixture
async def before(redis_url: str, redis_client: Redis, socket: Socket) -> AsyncIterator[QueuedDispatcher]:
    """The ingress that had the call."""
    async with open_dispatcher(redis_url, "before", socket.release) as dispatcher:
        await listens(redis_client, "before")
        yield dispatcher


@pytest.fixture
def socket_after() -> Socket:
    """The socket at the ingress at which the call's new socket is."""
    return Socket()


@pytest.fixture
async def after(redis_url: str, socket_after: Socket) -> AsyncIterator[QueuedDispatcher]:
    """The ingress at which the call's new socket is."""
    async with open_dispatcher(redis_url, "after", socket_after.release, timings=PATIENT) as dispatcher:
        yield dispatcher


async def listens(redis: Redis, channel: str) -> None:
    await redis.zadd(keys.call(CALL).listeners, {channel: time.time() * 1000 + 60_000})
    await redis.expire(keys.call(CALL).listeners, 60)


async def test_the_one_before_has_let_go_when_the_next_one_begins(before, after, socket):
    socket.answers.clear()
    taking = asyncio.create_task(after.takeover.take_over(CALL, TakeoverAttempt()))
    await wait_until(lambda: socket.asked, "the one before is asked")
    assert not taking.done()
    socket.answers.set()
    await taking
    assert socket.asked == [CALL]


async def test_one_that_cannot_write_the_call_back_is_not_gone_without(before, after, socket):
    socket.is_written_back = False
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot write it back yet"):
            await after.takeover.take_over(CALL, TakeoverAttempt())
    socket.is_written_back = True
    await after.takeover.take_over(CALL, TakeoverAttempt())


async def test_an_older_version_that_says_no_more_than_that_it_let_go_is_believed(after, redis_client):
    await listens(redis_client, "older")
    async with redis_client.pubsub() as older:
        await older.subscribe("older")
        taking = asyncio.create_task(after.takeover.take_over(CALL, TakeoverAttempt()))
        asked = await wait_until(lambda: older.get_message(ignore_subscribe_messages=True), "it is asked")
        channel = json.loads(asked["data"])["o"]
        await redis_client.publish(channel, json.dumps({"c": CALL, "g": "older"}))
        await taking


async def test_one_that_never_had_the_call_is_not_asked(after, redis_url, redis_client):
    bystander = Socket()
    async with open_dispatcher(redis_url, "bystander", bystander.release):
        await listens(redis_client, "after")
        await after.takeover.take_over(CALL, TakeoverAttempt())
    assert bystander.asked == []


async def test_a_dead_one_is_not_waited_for(after, redis_client):
    await listens(redis_client, "dead")
    async with asyncio.timeout(60):
        await after.takeover.take_over(CALL, TakeoverAttempt())


async def test_one_that_does_not_answer_is_gone_without(before, redis_url, socket, caplog):
    socket.answers.clear()
    async with open_dispatcher(redis_url, "after", timings=TakeoverTimings(answer=0.1)) as after:
        await after.takeover.take_over(CALL, TakeoverAttempt())
    assert "does not answer" in caplog.text


async def test_after_an_outage_one_that_does_not_listen_yet_is_asked_again(redis_url, redis_client):
    await listens(redis_client, "before")
    timings = TakeoverTimings(answer=3600, outage=3600)
    async with open_dispatcher(redis_url, "after", timings=timings, after_outage=True) as after:
        taking = asyncio.create_task(after.takeover.take_over(CALL, TakeoverAttempt()))
        await asyncio.wait({taking}, timeout=0.5)
        assert not taking.done()
        async with open_dispatcher(redis_url, "before"), asyncio.timeout(60):
            await taking


async def test_of_two_that_claim_a_new_call_at_once_one_lets_go(after, socket_after, redis_url, redis_client):
    socket_too = Socket()
    async with open_dispatcher(redis_url, "too", socket_too.release) as too:
        await asyncio.gather(
            after.takeover.take_over(CALL, TakeoverAttempt()), too.takeover.take_over(CALL, TakeoverAttempt())
        )
        assert len(socket_after.asked + socket_too.asked) == 1
    assert await redis_client.pttl(keys.call(CALL).listeners) > 0


async def test_who_tries_again_asks_nobody_who_came_later(after, before, socket, redis_url):
    attempt = TakeoverAttempt()
    socket.is_written_back = False
    with pytest.raises(StoreUnavailable):
        await after.takeover.take_over(CALL, attempt)
    socket.is_written_back = True
    socket_later = Socket()
    async with open_dispatcher(redis_url, "later", socket_later.release) as later:
        await later.takeover.take_over(CALL, TakeoverAttempt())
        await after.takeover.take_over(CALL, attempt)
        assert socket_later.asked == []
