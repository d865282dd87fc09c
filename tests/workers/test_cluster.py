"""Workers on a Redis Cluster: the queue spread over its shards, masters that die, slots that move."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from support.cluster import ClusterTopology
from support.dispatchers import open_dispatcher
from support.servers import RedisServer
from support.waiting import wait_until

from orchestrator.dispatch.dispatcher import submit_by
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.health.redis import read_system_status
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_turns import a_turn

pytestmark = pytest.mark.processes

CALLS = 64


@pytest.fixture
def cluster() -> Iterator[ClusterTopology]:
    with ClusterTopology(replicas=1) as topology:
        yield topology


@pytest.fixture
def redis_url(cluster: ClusterTopology) -> str:
    return cluster.url


@pytest.fixture(autouse=True)
def every_key_expires(cluster: ClusterTopology) -> Iterator[None]:
    """On every master that still runs."""
    yield
    nodes = [node for node in cluster.nodes if node.is_running and cluster.ask(node, "ROLE")[0] == "master"]
    without_ttl = [
        key
        for node in nodes
        for key in cluster.ask(node, "KEYS", "*")
        if cluster.ask(node, "TTL", key) == -1 and not _holds_cron_jobs(cluster, node, key)
    ]
    assert not without_ttl, f"keys without a time to live: {without_ttl}"


def _holds_cron_jobs(cluster: ClusterTopology, node: RedisServer, key: str) -> bool:
    """True if arq put a cron job into this queue, which gives it no time to live, and no worker is left to claim it."""
    return key.endswith("arq:queue") and any(
        member.startswith("cron:") for member in cluster.ask(node, "ZRANGE", key, 0, -1)
    )


@pytest.fixture
async def redis_client(cluster: ClusterTopology) -> AsyncIterator[Redis]:
    async with connect(Settings(redis_url=cluster.url)) as client:
        yield client


@pytest.fixture
async def dispatcher(cluster: ClusterTopology) -> AsyncIterator[QueuedDispatcher]:
    async with open_dispatcher(cluster.url, "one") as one:
        yield one


async def say(dispatcher: QueuedDispatcher, number: int, turn_id: str) -> Any:
    turn = a_turn(turn_id, call_sid=f"CA{number}", text=turn_id)
    pending = await submit_by(dispatcher, turn, opening={"channel": "api"}, deadline_seconds=60)
    return await pending.wait(60)


async def say_all(dispatcher: QueuedDispatcher, turn_id: str) -> None:
    results = await asyncio.gather(*(say(dispatcher, number, turn_id) for number in range(CALLS)))
    assert [result and (result.outcome, result.reply.text) for result in results] == [
        ("replied", f"you said {turn_id}")
    ] * CALLS


async def turns_of_all(redis: Redis) -> list[list[str]]:
    states = RedisStateManager(redis, 100)
    found = [await states.get_state(f"CA{number}") for number in range(CALLS)]
    return [[record.turn_id for record in state.turns] for state in found if state]


async def drained(redis: Redis) -> bool:
    left = [await redis.zcard(shard.due) + await redis.zcard(shard.queue) for shard in keys.SHARDS]
    return sum(left) == 0


async def test_calls_on_all_shards_are_answered_and_counted_and_leave_nothing_behind(
    start_worker, dispatcher, redis_client
) -> None:
    start_worker("echo")
    await say_all(dispatcher, "t1")
    await say_all(dispatcher, "t2")
    assert await turns_of_all(redis_client) == [["t1", "t2"]] * CALLS
    states = RedisStateManager(redis_client, 100)
    assert await states.get_active_calls_count() == CALLS
    assert sorted(await states.get_all_call_sids()) == sorted(f"CA{number}" for number in range(CALLS))
    assert all([await redis_client.zcard(shard.calls) for shard in keys.SHARDS])
    await wait_until(lambda: drained(redis_client), "the rescuer has taken off what is settled")
    status = await read_system_status(redis_client)
    assert (status.redis_ok, status.workers, status.queue_depth) == (True, 1, 0)


async def test_a_worker_killed_between_queue_and_call_costs_no_turn(start_worker, dispatcher, runs) -> None:
    killed, other = start_worker("slow"), None
    pending = [
        await submit_by(dispatcher, a_turn("t1", call_sid=f"CA{number}"), opening={"channel": "api"})
        for number in range(20)
    ]
    await wait_until(lambda: len(runs()) > 3, "some are being run")
    killed.kill()
    other = start_worker("echo")
    results = await asyncio.gather(*(each.wait(60) for each in pending))
    assert [result and result.outcome for result in results] == ["replied"] * 20, other.log


async def test_a_full_worker_passes_wake_ups_to_one_that_has_room(start_worker, dispatcher, runs, tmp_path) -> None:
    full = start_worker("slow", WORKER_MAX_TURNS="4")
    held = [
        await submit_by(dispatcher, a_turn("t1", call_sid=f"CB{number}"), opening={"channel": "api"})
        for number in range(4)
    ]
    await wait_until(lambda: len(runs()) == 4, "the worker is full")
    start_worker("echo")
    await say_all(dispatcher, "t1")
    (tmp_path / "go").touch()
    results = await asyncio.gather(*(each.wait(60) for each in held))
    assert [result and result.reply.text.split()[-1] for result in results] == [str(full.pid)] * 4


async def test_a_worker_that_is_told_to_stop_leaves_the_queue_to_others(start_worker, dispatcher, redis_client) -> None:
    worker = start_worker("echo")
    await say_all(dispatcher, "t1")
    worker.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.process.wait, 20) == 0, worker.log
    speaking = asyncio.create_task(say_all(dispatcher, "t2"))
    start_worker("echo")
    await speaking


async def test_arqs_own_jobs_and_cron_run_on_the_first_shard(start_worker, redis_client, cluster) -> None:
    worker = start_worker("echo")
    await wait_until(lambda: redis_client.get(keys.SHARDS[0].queue + ":health-check"), "arq's health record")
    names = {key for node in cluster.master_nodes() for key in cluster.ask(node, "KEYS", "*")}
    assert {name for name in names if name.startswith("arq:")} == set(), worker.log


async def test_a_job_of_arqs_own_is_run(start_worker, redis_client) -> None:
    """Enqueue a job as a producer that names the queue, with the keys that the worker's arq uses."""
    shard = keys.SHARDS[0]
    start_worker("echo")
    await redis_client.set(shard.job("mine"), '{"t": 1, "f": "run_turns", "a": ["CA1"], "k": {}, "et": 1}', px=60_000)
    await redis_client.zadd(shard.queue, {"mine": 1})
    await redis_client.expire(shard.queue, 60)
    await wait_until(lambda: _is_done(redis_client, shard), "the job was run")


async def _is_done(redis: Redis, shard: keys.ShardKeys) -> bool:
    return await redis.zscore(shard.queue, "mine") is None and not await redis.exists(shard.job("mine"))


async def test_a_killed_master_holds_up_calls_and_loses_none(start_worker, dispatcher, redis_client, cluster) -> None:
    start_worker("echo")
    start_worker("echo")
    await say_all(dispatcher, "t1")
    slot = key_slot(keys.SHARDS[0].queue.encode())
    former = cluster.owner(slot)
    speaking = asyncio.create_task(say_all(dispatcher, "t2"))
    former.kill()
    await speaking
    await say_all(dispatcher, "t3")
    assert await turns_of_all(redis_client) == [["t1", "t2", "t3"]] * CALLS


async def test_slots_of_calls_and_shards_move_under_live_calls(start_worker, dispatcher, redis_client, cluster) -> None:
    start_worker("echo")
    await say_all(dispatcher, "t1")
    stop = asyncio.Event()

    async def talk() -> int:
        for number in range(2, 10_000):
            await say_all(dispatcher, f"t{number}")
            if stop.is_set():
                return number
        raise AssertionError("the slots did not move")

    talking = asyncio.create_task(talk())
    moving = [key_slot(shard.queue.encode()) for shard in keys.SHARDS[:4]]
    moving += [key_slot(keys.state(f"CA{number}").encode()) for number in range(4)]
    for slot in moving:
        target = next(node for node in cluster.master_nodes() if node is not cluster.owner(slot))
        await asyncio.to_thread(cluster.move, slot, target)
    stop.set()
    last = await talking
    assert await turns_of_all(redis_client) == [[f"t{number}" for number in range(1, last + 1)]] * CALLS
