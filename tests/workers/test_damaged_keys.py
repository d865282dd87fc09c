"""Keys that other programs damaged: other calls are answered, no process ends, and health pages stay correct."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis import RedisCluster
from redis.asyncio import Redis
from support.cluster import ClusterTopology
from support.damaged_keys import DAMAGES, ONE_OF_EACH, Damage
from support.dispatchers import open_dispatcher
from support.processes import WorkerProcess
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.errors import UnreadableState
from orchestrator.health.redis import read_system_status
from orchestrator.health.report import report
from orchestrator.health.workers import list_workers
from orchestrator.idempotency.redis import RedisIdempotencyStore
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn
from orchestrator.turns.redis.dead_letters import RedisDeadLetters

pytestmark = pytest.mark.processes

AGENTS = """
import asyncio
from pathlib import Path

async def answer(turn, state):
    if turn.text.startswith("wait for "):
        Path(turn.call_sid + ".running").touch()
        while not Path(turn.text.removeprefix("wait for ")).exists():
            await asyncio.sleep(0.01)
    yield f"you said {turn.text}"
"""
WORKER = {"AGENT": "trial_agents:answer", "STATE_TTL_SECONDS": "100"}
"""States live as long as the dispatcher's."""
ANSWERED = ("replied", "failed")
_numbers = itertools.count()


class Place:
    """A Redis, a worker on it, and a raw client to damage it with. Somebody looks at a dashboard: the worker's
    heartbeats, which mend what is theirs, come each second and not every five."""

    def __init__(self, url: str, raw: Any, directory: Path) -> None:
        raw.set(keys.WATCHED, 1, ex=3600)
        self.url = url
        self.raw = raw
        (directory / "trial_agents.py").write_text(AGENTS)
        self.directory = directory
        self.worker = WorkerProcess(
            directory, redis_url=url, agents=directory, STATE_TTL_SECONDS="100", AGENT="trial_agents:answer"
        )


@pytest.fixture(scope="module", params=["one server", "a cluster"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("worker")
    if request.param == "one server":
        with RedisServer() as server, server.client(decode_responses=False) as raw:
            place = Place(server.url, raw, directory)
            with place.worker:
                yield place
    else:
        with ClusterTopology() as cluster:
            raw = RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port)
            place = Place(cluster.url, raw, directory)
            with place.worker:
                yield place
            raw.close()
    assert "report this" not in place.worker.log


@pytest.fixture
async def redis(place: Place) -> AsyncIterator[Redis]:
    async with connect(Settings(_env_file=None, redis_url=place.url)) as client:
        yield client


@pytest.fixture
async def dispatcher(place: Place) -> AsyncIterator[QueuedDispatcher]:
    async with open_dispatcher(place.url, "one") as dispatcher:
        yield dispatcher


async def say(dispatcher: QueuedDispatcher, call_sid: str, turn_id: str, text: str = "hello") -> TurnResult | None:
    turn = a_turn(turn_id, call_sid=call_sid, text=text)
    pending = await submit_by(dispatcher, turn, opening={"channel": "api"}, deadline_seconds=60)
    return await pending.wait(60)


def outcome(result: TurnResult | None) -> str:
    return result.outcome if result is not None else "nothing came"


@pytest.mark.parametrize("damage", ONE_OF_EACH, ids=str)
async def test_a_damaged_key_harms_its_own_call_at_most(
    place: Place, redis: Redis, dispatcher: QueuedDispatcher, damage: Damage
) -> None:
    await check_harm(place, redis, dispatcher, damage)


@pytest.mark.parametrize("place", ["one server"], indirect=True)
@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage not in ONE_OF_EACH], ids=str)
async def test_whatever_is_in_a_key_harms_its_own_call_at_most(
    place: Place, redis: Redis, dispatcher: QueuedDispatcher, damage: Damage
) -> None:
    await check_harm(place, redis, dispatcher, damage)


async def check_harm(place: Place, redis: Redis, dispatcher: QueuedDispatcher, damage: Damage) -> None:
    """Assert that other calls are answered, and that each reader gets over it."""
    number = next(_numbers)
    bad, good = f"CAbad{number}", f"CAgood{number}"
    shards = shards_of(redis)
    for call_sid in (bad, good):
        assert outcome(await say(dispatcher, call_sid, "t1")) == "replied"
    key = damage.key(bad, shards)
    damage.do(place.raw, key)
    if damage.name == "foreign_job":
        place.raw.zadd(keys.shard_of(shards[:1], bad).queue, {"foreign": 1})
        place.raw.expire(keys.shard_of(shards[:1], bad).queue, 600)
    if damage.name == "worker_status":
        place.raw.zadd(keys.WORKERS, {"stranger": 9e12})
    for _ in range(2):
        assert outcome(await say(dispatcher, good, f"g{next(_numbers)}")) == "replied"
    harmed = outcome(await say(dispatcher, bad, "t2"))
    assert harmed in (ANSWERED if damage.name == "state" else ("replied",))

    states = RedisStateManager(redis, 100)
    assert good in await states.get_all_call_sids()
    assert await states.get_active_calls_count() >= 1
    await states.cleanup_expired()
    json.dumps(await list_workers(redis), allow_nan=False, ensure_ascii=False).encode()
    await RedisDeadLetters(redis).all()
    records = RedisIdempotencyStore(redis)
    await records.claim("order-1", "same")
    await records.release("order-1")
    assert await dispatcher.waiting(bad) == []

    async def is_well() -> bool:
        return report(await read_system_status(redis)).status == "healthy"

    await wait_until(is_well, f"health is well again: {report(await read_system_status(redis))}")
    try:
        await states.get_state(bad)
    except UnreadableState:
        assert damage.name == "state"
    await states.delete_state(bad)
    place.raw.zrem(keys.WORKERS, "stranger")
    assert outcome(await say(dispatcher, bad, "t1", "again")) == "replied"
    assert place.worker.is_running
    assert "report this" not in place.worker.log
    assert "left unfinished" not in place.worker.log


async def test_a_damaged_lease_costs_no_other_call_its_lease(
    place: Place, redis: Redis, dispatcher: QueuedDispatcher
) -> None:
    number = next(_numbers)
    bad, good, gate = f"CAbad{number}", f"CAgood{number}", f"gate{number}"
    pendings = [
        await submit_by(
            dispatcher,
            a_turn("t1", call_sid=call_sid, text=f"wait for {gate}"),
            opening={"channel": "api"},
            deadline_seconds=60,
        )
        for call_sid in (bad, good)
    ]
    running = [place.directory / f"{call_sid}.running" for call_sid in (bad, good)]
    await wait_until(lambda: all(path.exists() for path in running), "the agents run")
    lease = keys.call(bad).lease
    place.raw.set(lease, "no lease", ex=600)
    until = place.raw.hget(keys.call(good).lease, "until")
    # Longer than a lease without a renewal.
    await wait_until(
        lambda: int(place.raw.hget(keys.call(good).lease, "until")) > int(until) + 3000, "the other lease is renewed"
    )
    assert place.raw.hget(keys.call(good).lease, "epoch") == b"1"
    (place.directory / gate).touch()
    assert [outcome(await pending.wait(60)) for pending in pendings] == ["replied", "replied"]


@pytest.mark.parametrize(
    "entry", [b"P\xff{", b"P{}", b'P{"turn_id":"other","call_sid":"CA","kind":"speech"}', b"X", b""]
)
async def test_an_unreadable_queued_turn_becomes_a_dead_letter_and_the_call_continues(
    place: Place, redis: Redis, dispatcher: QueuedDispatcher, entry: bytes
) -> None:
    call_sid = f"CAbad{next(_numbers)}"
    call = keys.call(call_sid)
    assert outcome(await say(dispatcher, call_sid, "t1")) == "replied"
    place.raw.hset(call.turns, "odd", entry)
    place.raw.hset(call.turns, b"\xff", entry)
    place.raw.rpush(call.inbox, "odd", b"\xff")
    assert outcome(await say(dispatcher, call_sid, "t2")) == "replied"
    assert await dispatcher.waiting(call_sid) == []
    assert place.worker.is_running


async def test_an_unreadable_result_is_read_from_the_state(
    place: Place, redis: Redis, dispatcher: QueuedDispatcher
) -> None:
    call_sid = f"CAbad{next(_numbers)}"
    await say(dispatcher, call_sid, "t1")
    place.raw.hset(keys.call(call_sid).turns, "t1", b"R\xff{")
    async with open_dispatcher(place.url, "two") as other:
        again = await say(other, call_sid, "t1")
        assert again is not None
        assert again.reply.text == "you said hello"
        found = await other.store.find(call_sid, "t1")
        assert isinstance(found, TurnResult)
        assert found.reply.text == "you said hello"


async def test_queue_members_that_are_not_text_become_dead_letters(
    place: Place, redis: Redis, dispatcher: QueuedDispatcher
) -> None:
    shards = shards_of(redis)
    for shard in shards:
        for name in (b"\xff\xfe", b"turns:\xff\xfe", "turns:a{b}c"):
            place.raw.zadd(shard.queue, {name: 1})
            place.raw.zadd(shard.due, {name: 1})
            place.raw.zadd(shard.calls, {name: 9e12})
        for name in (shard.queue, shard.due, shard.calls):
            place.raw.expire(name, 600)
    assert outcome(await say(dispatcher, f"CAgood{next(_numbers)}", "t1")) == "replied"

    def left() -> list[Any]:
        return [
            (name, member) for shard in shards for name in (shard.queue, shard.due)
            for member in place.raw.zrange(name, 0, -1) if b"\xff" in member or b"{" in member
        ]  # fmt: skip

    try:
        await wait_until(lambda: not left(), "what is no call is taken off the queue and the list of the due")
    except AssertionError:
        raise AssertionError(f"still there: {left()}") from None
    states = RedisStateManager(redis, 100)
    assert all(call_sid.isascii() and "{" not in call_sid for call_sid in await states.get_all_call_sids())
    letters = await RedisDeadLetters(redis).all()
    assert any("\\xff" in letter.key for letter in letters), [letter.key for letter in letters]


async def test_workers_that_cannot_claim_make_the_system_unhealthy(start_redis: Any, tmp_path: Path) -> None:
    server = start_redis()
    raw: BlockingRedis = server.client()
    raw.set(keys.WATCHED, 1, ex=3600)  # a heartbeat a second
    (tmp_path / "trial_agents.py").write_text(AGENTS)
    with WorkerProcess(
        tmp_path, redis_url=server.url, agents=tmp_path, STATE_TTL_SECONDS="100", AGENT="trial_agents:answer"
    ) as worker:
        raw.execute_command("ACL", "SETUSER", "default", "-del")  # what a claim needs, and no other read of Redis

        async def is_unhealthy() -> bool:
            async with connect(Settings(_env_file=None, redis_url=server.url)) as client:
                health = report(await read_system_status(client))
            return health.status == "unhealthy" and "claim" in health.checks["workers"]["message"]

        await wait_until(is_unhealthy, "health says that no worker can claim")
        raw.execute_command("ACL", "SETUSER", "default", "+del")

        async def is_well() -> bool:
            async with connect(Settings(_env_file=None, redis_url=server.url)) as client:
                return report(await read_system_status(client)).status == "healthy"

        await wait_until(is_well, "health is well again")
        assert worker.is_running
    await asyncio.sleep(0)
