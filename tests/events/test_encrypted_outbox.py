"""Outboxes with encryption keys: what a process does that lacks the key of an event."""

from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, OTHER_KEY, unencrypted, with_keys
from support.waiting import wait_until

from orchestrator.conversation.state import ConversationState
from orchestrator.events.call_delivery import DeliveryTimings
from orchestrator.events.delivery import Deliverer
from orchestrator.events.event import Event
from orchestrator.events.outbox import NewEvent, StoppedSink, Unended
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import DEAD, an_event, announcement, delivery, failed, head_of, texts

TIMINGS = DeliveryTimings(again=0.02)


class ListSink:
    """Keeps the texts of what it gets."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def deliver(self, event: Event) -> None:
        self.got.append(event.data["text"])

    async def close(self) -> None:
        """Nothing is open."""


class NoEnds:
    def ended(self, unended: Unended) -> NewEvent | None:
        return None


def outbox_of(client: Redis) -> RedisOutbox:
    return RedisOutbox(StoreConnection(client, nullcontext), (keys.SINGLE_SHARD,), sinks=("file",))


@pytest.fixture
def outbox(redis_client: Redis) -> RedisOutbox:
    return outbox_of(with_keys(redis_client))


@pytest.fixture
async def stranger(redis_url: str) -> AsyncIterator[RedisOutbox]:
    """The outboxes as a process sees them that has another key."""
    async with Redis.from_url(redis_url) as client:
        yield outbox_of(with_keys(client, OTHER_KEY))


@pytest.fixture
async def state(redis_client: Redis) -> ConversationState:
    return await RedisStateManager(redis_client, 3600).create_state("CA1", channel="relay", from_number="+15550100")


async def test_an_event_whose_key_is_missing_is_put_off_and_no_failure_is_counted(
    outbox: RedisOutbox, stranger: RedisOutbox, state: ConversationState, redis_client: Redis
) -> None:
    await outbox.accept(announcement(head_of(state), an_event("my words")))
    sink = ListSink()
    async with Deliverer(stranger, {"file": sink}, NoEnds(), "stranger", timings=TIMINGS) as deliverer:
        deliverer.look("CA1")
        await wait_until(lambda: deliverer.is_idle, "it has looked")
    assert sink.got == []
    (pending,) = await outbox.undelivered("CA1")
    assert (pending.dead_at, pending.failures, pending.entry.event.data["text"]) == (None, 0, "my words")
    assert pending.next_at is not None
    assert await unencrypted(redis_client) == []


async def test_what_can_be_read_before_it_is_delivered(
    outbox: RedisOutbox, stranger: RedisOutbox, state: ConversationState, redis_client: Redis
) -> None:
    await stranger.accept(announcement(head_of(state), an_event("readable")))
    written = {**await redis_client.hgetall(keys.outbox("CA1"))}
    await redis_client.delete(keys.outbox("CA1"))
    await outbox.accept(announcement(head_of(state), an_event("first"), an_event("unreadable")))
    await redis_client.hset(keys.outbox("CA1"), "e:1", written[b"e:1"])
    claimed = await delivery(stranger)
    assert texts(claimed) == ["readable"]
    assert [queue.unreadable for queue in claimed.queues] == [2]


async def test_whoever_has_the_key_delivers_what_others_put_off(
    outbox: RedisOutbox, stranger: RedisOutbox, state: ConversationState
) -> None:
    await outbox.accept(announcement(head_of(state), an_event("my words")))
    sink = ListSink()
    async with (
        Deliverer(stranger, {"file": ListSink()}, NoEnds(), "stranger", timings=TIMINGS) as lacking,
        Deliverer(outbox, {"file": sink}, NoEnds(), "anna", timings=TIMINGS) as deliverer,
    ):
        lacking.look("CA1")
        await wait_until(lambda: lacking.is_idle, "it has put the event off")
        assert await outbox.retry("CA1", "file")
        deliverer.look("CA1")
        await wait_until(lambda: sink.got == ["my words"], "it is delivered")


async def test_an_end_whose_head_cannot_be_read_is_left_to_others(
    outbox: RedisOutbox, stranger: RedisOutbox, state: ConversationState, redis_client: Redis
) -> None:
    await outbox.accept(announcement(head_of(state)))
    await redis_client.delete(keys.state("CA1"))
    assert await stranger.unended("CA1") is None
    unended = await outbox.unended("CA1")
    assert unended is not None
    assert unended.head.from_number == "+15550100"


async def test_an_event_that_was_moved_to_another_call_is_damaged(
    outbox: RedisOutbox, state: ConversationState, redis_client: Redis
) -> None:
    await outbox.accept(announcement(head_of(state), an_event("my words")))
    await redis_client.rename(keys.outbox("CA1"), keys.outbox("CA2"))
    await redis_client.expire(keys.outbox("CA2"), 60)
    (queue,) = (await delivery(outbox, "CA2")).queues
    assert [entry.event.type for entry in queue.entries] == ["damaged"]


async def test_errors_and_the_reason_of_a_stopped_sink_are_encrypted_too(
    outbox: RedisOutbox, stranger: RedisOutbox, state: ConversationState, redis_client: Redis
) -> None:
    await outbox.accept(announcement(head_of(state), an_event("a"), an_event("b")))
    claimed = await delivery(outbox)
    await outbox.settle(claimed.lease, "file", 1, DEAD)
    await outbox.settle(claimed.lease, "file", 2, failed(60))
    stopped = StoppedSink("file", "fp", "It quoted my words.", 1.0)
    await outbox.stop_sink(stopped)
    assert await unencrypted(redis_client) == []
    assert await outbox.retry("CA1", "file"), "scripts change the times beside an encrypted error"
    assert [it.error for it in await outbox.undelivered("CA1")] == ["It said no.", "It does not answer."]
    assert await outbox.stopped_sinks() == [stopped]
    shown = await stranger.undelivered("CA1")
    assert [it.entry.event.type for it in shown] == ["encrypted", "encrypted"]
    assert all("lacks the key" in it.error for it in shown)
    assert await stranger.stopped_sinks() == []


async def test_a_head_is_kept_encrypted_when_the_sid_is_used_again(
    outbox: RedisOutbox, state: ConversationState, redis_client: Redis
) -> None:
    await outbox.accept(announcement(head_of(state)))
    await redis_client.delete(keys.state("CA1"))
    again = await RedisStateManager(redis_client, 3600).create_state("CA1")
    await outbox.accept(announcement(head_of(again)))
    assert await redis_client.hexists(keys.outbox("CA1"), "unended")
    assert await unencrypted(redis_client) == []
    unended = await outbox.unended("CA1")
    assert unended is not None
    assert unended.head.from_number == "+15550100"


async def test_without_keys_nothing_is_encrypted_and_plain_is_read_during_a_deploy(
    redis_client: Redis, redis_url: str, state: ConversationState
) -> None:
    await outbox_of(redis_client).accept(announcement(head_of(state), an_event("my words")))
    assert b"my words" in (await redis_client.hgetall(keys.outbox("CA1")))[b"e:1"]
    async with Redis.from_url(redis_url) as client:
        assert texts(await delivery(outbox_of(with_keys(client, f"plain,{KEY}")))) == ["my words"]
