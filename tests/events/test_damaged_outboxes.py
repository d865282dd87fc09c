"""Outboxes that other programs damaged: turns are committed all the same, and other calls' events are delivered."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.damaged_keys import NOT_TEXT, TYPES
from support.waiting import wait_until

from orchestrator.events.agenda_watch import watch_agenda
from orchestrator.events.call_events import CallEvents
from orchestrator.events.delivery import Deliverer
from orchestrator.events.event import EVENT_TYPES, Event
from orchestrator.redis import keys
from orchestrator.tasks import cancel_and_wait
from orchestrator.testing.turn_store_contract import a_turn, claimed, commit
from orchestrator.turns.redis.store import RedisTurnStore

EVENTS = CallEvents(frozenset(EVENT_TYPES), ("list",), "echo", "v1")
GARBAGE = ("life", "seq", "last", "first", "bytes", "head", "open", "end_at", "holder", "until", "epoch", "p:list",
           "f:list", "e:1", "e:2", "unended", "state_by")  # fmt: skip
HUGE = {"first": "-1e308", "last": "1e308", "seq": "1e308", "bytes": "nan", "until": "-inf", "end_at": "inf"}


class ListSink:
    def __init__(self) -> None:
        self.told: list[Event] = []

    async def deliver(self, event: Event) -> None:
        self.told.append(event)

    async def close(self) -> None: ...

    def of(self, call_sid: str) -> list[str]:
        return [event.type for event in self.told if event.call_sid == call_sid]


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


@pytest.fixture
async def store(redis_client, sink) -> AsyncIterator[RedisTurnStore]:
    """A store whose events are delivered to `sink` as in a worker."""
    store = RedisTurnStore(redis_client, ttl_seconds=100, events=EVENTS, sinks=("list",))
    async with Deliverer(store.outbox, {"list": sink}, EVENTS, "anna") as deliverer:
        store.announcing.deliver = deliverer.start
        watching = asyncio.create_task(watch_agenda(store.outbox, deliverer))
        yield store
        await cancel_and_wait(watching)


async def say(store: RedisTurnStore, call_sid: str, turn_id: str, **options) -> str:
    await store.submit(a_turn(turn_id, call_sid=call_sid), opening={"channel": "api"})
    return (await commit(store, await claimed(store, call_sid), turn_id, **options)).status


async def write(redis, key: str, kind: str) -> None:
    """Put something else in the place of the key, in one step: who delivers events writes there at any moment."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(key)
        match kind:
            case "string":
                pipe.set(key, NOT_TEXT)
            case "list":
                pipe.rpush(key, NOT_TEXT)
            case "hash":
                pipe.hset(key, mapping={NOT_TEXT: NOT_TEXT})
            case "zset":
                pipe.zadd(key, {NOT_TEXT: 1.0, "a{b}c": "-inf", "": 1.0})
            case "set":
                pipe.sadd(key, NOT_TEXT)
            case "stream":
                pipe.xadd(key, {"a": NOT_TEXT})
        pipe.expire(key, 600)
        await pipe.execute()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["outbox", "agenda", "stopped sinks"])
async def test_a_key_of_another_type_harms_its_own_call_at_most(store, sink, redis_client, name, kind) -> None:
    assert await say(store, "CAbad", "t1") == "committed"
    await wait_until(lambda: len(sink.of("CAbad")) == 2, "the first events are told")
    key = {"outbox": keys.outbox("CAbad"), "agenda": keys.SINGLE_SHARD.agenda, "stopped sinks": keys.STOPPED_SINKS}[
        name
    ]
    await write(redis_client, key, kind)
    assert await say(store, "CAbad", "t2") == "committed"
    assert await say(store, "CAgood", "t1") == "committed"
    assert await say(store, "CAgood", "t2", hang_up=True) == "committed"
    good = ["call.started", "turn.completed", "turn.completed", "call.ended"]
    await wait_until(lambda: sink.of("CAgood") == good, "the other call is told")


@pytest.mark.parametrize("fields", [dict.fromkeys(GARBAGE, NOT_TEXT), HUGE], ids=["garbage", "huge numbers"])
async def test_damaged_fields_harm_their_own_call_at_most(store, sink, redis_client, fields) -> None:
    assert await say(store, "CAbad", "t1") == "committed"
    await wait_until(lambda: len(sink.of("CAbad")) == 2, "the first events are told")
    await redis_client.hset(keys.outbox("CAbad"), mapping=fields)
    assert await say(store, "CAbad", "t2") == "committed"
    assert await say(store, "CAbad", "t3", hang_up=True) == "committed"
    await store.outbox.undelivered("CAbad")
    assert await say(store, "CAgood", "t1", hang_up=True) == "committed"
    await wait_until(lambda: sink.of("CAgood")[-1:] == ["call.ended"], "the other call is told")
