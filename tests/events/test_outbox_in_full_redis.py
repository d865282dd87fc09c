"""Redis has no memory left: what empties outboxes goes on, as nothing else frees the memory that they take."""

from contextlib import nullcontext

import pytest

from orchestrator import clock
from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable
from orchestrator.events.outbox import Settlement, Unended
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.events.survey import survey_outbox
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.connections import connect
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.settings import Settings
from orchestrator.testing.example_events import an_event, announcement, deliver_all, delivery, failed, head_of

CALLS = {f"CA{number}" for number in range(5)}


@pytest.fixture
async def redis(start_redis):
    server = start_redis("--maxmemory-policy", "noeviction")
    async with connect(Settings(_env_file=None, redis_url=server.url)) as client:
        yield client


@pytest.fixture(params=["one server", "shards elsewhere"])
def outbox(redis, request):
    shards = shards_of(redis) if request.param == "one server" else keys.SHARDS
    return RedisOutbox(StoreConnection(redis, nullcontext), shards, sinks=("file",))


async def write_events(outbox, *texts, calls=("CA1",)) -> None:
    for call_sid in calls:
        head = head_of(ConversationState(call_sid=call_sid, created_at=utc_now()))
        await outbox.accept(announcement(head, *(an_event(text) for text in texts)))


async def fill(redis) -> None:
    await redis.config_set("maxmemory", 1)


async def test_an_outbox_that_filled_redis_drains(outbox, redis) -> None:
    await write_events(outbox, "a" * 50_000, "b" * 50_000, calls=CALLS)
    await fill(redis)
    due = await outbox.due()
    assert set(due) == CALLS
    for call_sid in due:
        unended = await outbox.unended(call_sid)
        assert unended is not None, "its state is gone"
        assert await outbox.end(unended, an_event("bye", kind="call.ended"))
        assert await deliver_all(outbox, call_sid) == ["a" * 50_000, "b" * 50_000, "bye"]
    assert await outbox.calls() == ([], "")
    assert sum([await redis.memory_usage(keys.outbox(call_sid)) for call_sid in CALLS]) < 10_000


async def test_a_delivery_keeps_its_lease_and_is_tried_again(outbox, redis) -> None:
    await write_events(outbox, "a")
    claimed = await delivery(outbox)
    await fill(redis)
    assert await outbox.renew([claimed.lease]) == []
    assert await outbox.settle(claimed.lease, "file", 1, failed(3600))
    await outbox.release(claimed.lease)
    assert await outbox.claim("CA1", "bert") is None
    assert await outbox.retry("CA1", "file")
    assert "CA1" in await outbox.due()
    assert (await delivery(outbox, holder="bert")).lease.epoch == claimed.lease.epoch + 1


async def test_what_is_dead_is_counted_and_dropped(outbox, redis) -> None:
    await write_events(outbox, "a", "b")
    claimed = await delivery(outbox)
    await fill(redis)
    assert await outbox.settle(claimed.lease, "file", 1, Settlement("dead", "it is refused"))
    await outbox.release(claimed.lease)
    await survey_outbox(outbox, at=clock.now(), max_bytes=1)
    assert [entry.entry.position for entry in await outbox.undelivered("CA1")] == [2]
    assert await outbox.drop("CA1", 2, "file")
    assert await outbox.undelivered("CA1") == []


async def test_an_earlier_life_is_ended(outbox, redis) -> None:
    first, second = (head_of(ConversationState(call_sid="CA1", created_at=utc_now())) for _ in range(2))
    await outbox.accept(announcement(first))
    await outbox.accept(announcement(second))
    await fill(redis)
    assert await outbox.end(Unended(first, None), None)
    await outbox.settle_look("CA1")
    assert await outbox.unended("CA1") == Unended(second, None)


async def test_a_server_that_gives_nothing_out_is_not_one_where_nothing_is_due(outbox, redis) -> None:
    await write_events(outbox, "a")
    await redis.config_set("min-replicas-to-write", 1)
    with pytest.raises(StoreUnavailable):
        await outbox.due()
    await redis.config_set("min-replicas-to-write", 0)
    assert await outbox.due() == ["CA1"]
