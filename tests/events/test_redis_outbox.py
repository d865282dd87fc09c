"""The outboxes in Redis: on one server, in a cluster, and beside states that are kept elsewhere."""

from contextlib import nullcontext

import pytest
from redis.asyncio import Redis
from support.encrypted_redis import KEY, WithKeys, unencrypted

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.errors import CallEnded
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import EVENT_TYPES
from orchestrator.events.redis import scripts
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.redis.script_call import LuaScript, ScriptCall, lua_script
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import settle_all
from orchestrator.testing.outbox_contract import OutboxContract
from orchestrator.testing.turn_store_contract import a_turn, claimed, commit
from orchestrator.turns.commit_attempt import CommitAttempt
from orchestrator.turns.outcome import with_record
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.retrying_store import RetryingStore

SINKS = ("file", "hook")
TTL = 3600
EVENTS = CallEvents(frozenset(EVENT_TYPES), SINKS, "echo", "v1")


def writing(announcement, shard, cipher) -> ScriptCall[bool]:
    """What a step of a call does that is not its first."""
    call_sid = announcement.head.call_sid
    accepting = scripts.accept_call(call_sid=call_sid, announcement=announcement, cipher=cipher, shard=shard)
    text = lua_script("accept_call").text
    step = text.replace("if redis.call('HGET', outbox, 'life') == ARGV[2] then return 0 end", "")
    assert step != text
    return ScriptCall(LuaScript.of(step), accepting.keys, accepting.args, accepting.decode)


async def make_due(outbox: RedisOutbox, redis: Redis, call_sid: str, **fields: int) -> None:
    await redis.hset(keys.outbox(call_sid), mapping={name.rstrip("_"): at for name, at in fields.items()})
    await outbox.agenda.look_within(call_sid, 0)


class RedisOutboxContract(OutboxContract):
    @pytest.fixture
    def redis(self, redis_client):
        return redis_client

    @pytest.fixture
    def states(self, redis):
        return RedisStateManager(redis, TTL)

    @pytest.fixture
    def outbox(self, redis):
        self._redis = redis
        return RedisTurnStore(redis, ttl_seconds=TTL, sinks=SINKS).outbox

    async def announce(self, outbox, announcement):
        call_sid = announcement.head.call_sid
        connection = StoreConnection(self._redis, nullcontext)
        await connection.run(writing(announcement, outbox.agenda.shard_with(call_sid), outbox.cipher))
        if not outbox.agenda.is_one_step:
            await outbox.settle_look(call_sid)

    async def expire(self, outbox, lease):
        await make_due(outbox, self._redis, lease.call_sid, until=1)

    async def say_it_is_over(self, outbox, call_sid):
        await make_due(outbox, self._redis, call_sid, end_at=1)

    async def pass_closing_time(self, outbox, call_sid):
        await make_due(outbox, self._redis, call_sid, end_at=1, state_by=1)


class TestRedisOutbox(RedisOutboxContract):
    pass


class TestRedisOutboxWithKeys(WithKeys, RedisOutboxContract):
    pass


class TestShardedOutbox(RedisOutboxContract):
    """As in a cluster: the agendas in other slots than the calls."""

    @pytest.fixture
    def outbox(self, redis):
        self._redis = redis
        return RedisTurnStore(redis, ttl_seconds=TTL, sinks=SINKS, shards=keys.SHARDS).outbox


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
class TestOutboxInACluster(RedisOutboxContract):
    @pytest.fixture
    async def redis(self, replicated_cluster, key):
        async with connect(Settings(redis_url=replicated_cluster.url, state_encryption_keys=key)) as client:
            yield client
            assert key is None or await unencrypted(client) == []


class TestOutboxBesideStatesElsewhere(RedisOutboxContract):
    @pytest.fixture
    def states(self):
        return InMemoryStateManager(TTL)

    @pytest.fixture
    def outbox(self, redis, states):
        self._redis = redis
        return RedisTurnStore(redis, ttl_seconds=TTL, sinks=SINKS, states=states).outbox


async def test_the_end_that_comes_while_events_are_delivered_is_told_at_once(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, sinks=SINKS, events=EVENTS)
    granted = []
    store.announcing.deliver = granted.append
    await store.submit(a_turn("t1", kind="started"), opening={"channel": "gather"})
    await commit(store, await claimed(store), "bye", hang_up=True)
    with pytest.raises(CallEnded):
        await store.submit(a_turn("ended", kind="ended"))
    await settle_all(store.outbox, granted[0])
    await store.outbox.due()
    await store.outbox.release(granted[0].lease)
    assert await store.outbox.due() == ["CA1"]
    assert await store.outbox.unended("CA1") is not None


async def test_a_turn_that_another_has_recorded_meanwhile_is_not_told_again(redis_client) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=TTL, sinks=SINKS, events=EVENTS)
    states = RedisStateManager(redis_client, TTL)
    await store.submit(a_turn("t1"), opening={"channel": "relay"})
    claim = await claimed(store)
    record = TurnRecord.of(claim.turn, "replied", Reply(text="from memory"))
    await states.update_state(with_record(claim.state, None, record))  # as a write-back does, which has told it
    ours = TurnRecord.of(claim.turn, "replied", Reply(text="from a worker"), epoch=1)
    attempt = CommitAttempt(claim.state, None, ours)
    assert (await RetryingStore(store).commit(claim, attempt, keep=lambda: True)).status == "committed"
    told = [left.entry.event.type for left in await store.outbox.undelivered("CA1") if left.sink == "file"]
    assert told == ["call.started"]
