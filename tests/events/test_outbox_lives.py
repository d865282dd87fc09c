"""How long outboxes in Redis live, beside the states of their calls, and which lives of calls are in them."""

from contextlib import nullcontext

import pytest
from support.passing_time import moving_clock

from orchestrator import clock
from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState, EndRecord
from orchestrator.event_types import EVENT_TYPES
from orchestrator.events.call_events import CallEvents
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import Unended
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import an_event, announcement, deliver_all, delivery, head_of, settle_all
from orchestrator.testing.turn_store_contract import a_turn, claimed, commit
from orchestrator.turns.redis.store import RedisTurnStore

DAY_MS = 86_400_000
END = an_event("bye", kind="call.ended")
EVENTS = CallEvents(frozenset(EVENT_TYPES), ("file",), "echo", "v1")


def outbox_of(redis, sharded=False):
    shards = keys.SHARDS if sharded else shards_of(redis)
    return RedisOutbox(StoreConnection(redis, nullcontext), shards, sinks=("file",))


def a_head(call_sid="CA1"):
    return head_of(ConversationState(call_sid=call_sid, created_at=utc_now()))


@pytest.mark.parametrize("sharded", [False, True])
async def test_the_outbox_of_an_open_call_outlives_its_state(redis_client, sharded) -> None:
    outbox = outbox_of(redis_client, sharded)
    state = await RedisStateManager(redis_client, 30 * 86_400).create_state("CA1")
    await outbox.accept(announcement(head_of(state)))
    agenda = keys.shard_of(keys.SHARDS if sharded else shards_of(redis_client), "CA1").agenda
    for key in (keys.outbox("CA1"), agenda):  # as after days in which nobody said anything
        await redis_client.pexpire(key, 60_000)
    await outbox.settle_look("CA1")
    assert await redis_client.pttl(keys.outbox("CA1")) > 39 * DAY_MS
    assert await redis_client.pttl(agenda) > 19 * DAY_MS
    await RedisStateManager(redis_client, 100).delete_state("CA1")
    await outbox.settle_look("CA1")
    assert await outbox.unended("CA1") == Unended(head_of(state), None)


async def test_events_for_a_sink_that_nobody_has_any_more_do_not_live_for_ever(redis_client) -> None:
    outbox = outbox_of(redis_client)
    await outbox.accept(announcement(a_head(), an_event("a", ("removed",)), END))
    await redis_client.pexpire(keys.outbox("CA1"), 60_000)
    assert await outbox.claim("CA1", "anna") is not None
    await outbox.settle_look("CA1")
    assert await redis_client.pttl(keys.outbox("CA1")) <= 60_000


@pytest.mark.parametrize("sharded", [False, True])
async def test_a_call_is_told_whole_before_its_ended_state_expires(redis_client, sharded) -> None:
    shards = keys.SHARDS if sharded else None
    store = RedisTurnStore(
        redis_client, ttl_seconds=100, ended_ttl_seconds=10, shards=shards, events=EVENTS, sinks=("file",)
    )
    await store.submit(a_turn("t1", kind="started"), opening={"channel": "gather"})
    await commit(store, await claimed(store), "bye", hang_up=True)
    agenda = keys.shard_of(shards or shards_of(redis_client), "CA1").agenda
    await settle_all(store.outbox, await delivery(store.outbox))
    await store.outbox.settle_look("CA1")
    left = await redis_client.pttl(keys.state("CA1"))
    assert await redis_client.zscore(agenda, "CA1") <= clock.now() * 1000 + left - 1000
    assert await store.outbox.unended("CA1") is None, "the provider's word is waited for"

    await redis_client.pexpire(keys.state("CA1"), 1900)  # as 8 s later
    await store.outbox.settle_look("CA1")
    unended = await store.outbox.unended("CA1")
    assert unended is not None
    assert unended.state is not None
    assert len(unended.state.turns) == 1
    assert await store.outbox.due() == ["CA1"]


async def test_a_state_that_expires_sooner_than_was_known_is_read_before(redis_client) -> None:
    """An older process wrote the end."""
    outbox = outbox_of(redis_client)
    states = RedisStateManager(redis_client, 100, ended_ttl_seconds=5)
    state = await states.create_state("CA1")
    ended = EndRecord(status="completed", at=utc_now())
    state = await states.update_state(state.model_copy(update={"status": "completed", "ended": ended}))
    await outbox.take_over(announcement(head_of(state), closes_later=True))
    assert float(await redis_client.hget(keys.outbox("CA1"), "end_at")) > clock.now() * 1000 + 20_000
    assert await outbox.due() == ["CA1"], "who looks knows when the state expires"
    await outbox.settle_look("CA1")
    assert await redis_client.zscore(shards_of(redis_client)[0].agenda, "CA1") < clock.now() * 1000 + 4000


async def test_the_state_of_a_call_that_was_taken_over_is_awaited_though_it_may_be_short(redis_client) -> None:
    outbox = outbox_of(redis_client)
    await outbox.take_over(announcement(a_head(), closes_later=True))
    await outbox.settle_look("CA1")
    assert await redis_client.zscore(shards_of(redis_client)[0].agenda, "CA1") < clock.now() * 1000 + 4000


async def test_a_call_in_memory_is_told_whole_before_its_ended_state_expires() -> None:
    with moving_clock() as pass_time:
        states = InMemoryStateManager(100, ended_ttl_seconds=10)
        outbox = MemoryOutbox(states, ("file",), ended_seconds=10)
        state = await states.create_state("CA1")
        ended = EndRecord(status="completed", at=utc_now())
        state = await states.update_state(state.model_copy(update={"status": "completed", "ended": ended}))
        outbox.announce(announcement(head_of(state), closes_later=True))
        await outbox.settle_look("CA1")
        assert await outbox.unended("CA1") is None
        pass_time(8.5)
        assert await outbox.due() == ["CA1"]
        assert await outbox.unended("CA1") == Unended(head_of(state), state)


@pytest.mark.parametrize("how", ["told by the call", "found later", "found after the next began"])
async def test_a_life_that_was_ended_never_begins_again(redis_client, how) -> None:
    outbox = outbox_of(redis_client)
    first, second = a_head(), a_head()
    begun = announcement(first, an_event("a"))
    told = announcement(first, *begun.events, END) if how == "told by the call" else begun
    await outbox.take_over(told)
    if how == "found later":
        assert await outbox.end(Unended(first, None), END)
    await outbox.accept(announcement(second, an_event("b")))
    if how == "found after the next began":
        assert await outbox.end(Unended(first, None), END)
    assert sorted(await deliver_all(outbox)) == ["a", "b", "bye"]
    await outbox.take_over(told)  # the answer to the first was lost
    await outbox.take_over(announcement(first, an_event("late"), closes_later=True))
    assert await redis_client.hmget(keys.outbox("CA1"), "life", "open", "end_at", "unended") == [
        second.life.encode(), b"1", None, None,
    ]  # fmt: skip
    assert await outbox.claim("CA1", "anna") is None


async def test_as_many_ended_lives_are_known_as_count(redis_client) -> None:
    outbox = outbox_of(redis_client)
    heads = [a_head() for _ in range(25)]
    for head in heads:
        await outbox.accept(announcement(head, END))
    stored = await redis_client.hget(keys.outbox("CA1"), "ended")
    assert stored.count(b"T") == 20
    assert heads[-1].life.encode() in stored
    assert heads[4].life.encode() not in stored
