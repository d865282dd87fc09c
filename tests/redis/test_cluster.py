"""A Redis Cluster through the ordinary client: slots that move, masters that die, seeds that are away."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, ClusterCrossSlotError, RedisError, WatchError
from support.cluster import ClusterTopology
from support.servers import RedisServer, free_port
from support.waiting import wait_until

from orchestrator.errors import StoreUnavailable
from orchestrator.redis.commands import sender_for
from orchestrator.redis.connections import ConnectionTimings, connect
from orchestrator.redis.errors import explain, store_errors
from orchestrator.redis.multiplexed_cluster import MultiplexedCluster
from orchestrator.redis.publishing import publish_and_check
from orchestrator.redis.script_call import LuaScript, ScriptCall
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.redis.subscription import Subscription
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait

KEYS = [f"voiceagent:test:{number}" for number in range(40)]
BOTH = """redis.call('SET', KEYS[1], ARGV[1], 'EX', 60)
redis.call('SET', KEYS[2], ARGV[1], 'EX', 60)
return redis.call('GET', KEYS[1])"""


@pytest.fixture
def client(cluster_client: Redis) -> Redis:
    """A client of the cluster that tests share."""
    return cluster_client


@pytest.fixture
def replicated() -> Iterator[ClusterTopology]:
    """Three masters with a replica each, to be hurt."""
    with ClusterTopology(replicas=1) as topology:
        yield topology


def slot(key: str) -> int:
    return key_slot(key.encode())


def another(cluster: ClusterTopology, owner: RedisServer) -> RedisServer:
    return next(node for node in cluster.master_nodes() if node is not owner)


async def fill(redis: Redis) -> None:
    for key in KEYS:
        await redis.set(key, key, ex=60)


# One client for all nodes


async def test_each_key_goes_to_the_node_that_serves_it(cluster: ClusterTopology, client: Redis) -> None:
    await fill(client)
    for key in KEYS:
        assert cluster.ask(cluster.owner_of_key(key), "GET", key) == key
    assert len({cluster.owner_of_key(key).port for key in KEYS}) == 3


async def test_a_pipeline_over_all_nodes_answers_in_its_order(client: Redis) -> None:
    await fill(client)
    async with client.pipeline(transaction=False) as pipe:
        pipe.time()
        for key in KEYS:
            pipe.get(key)
        assert (await pipe.execute())[1:] == [key.encode() for key in KEYS]


async def test_an_error_in_a_pipeline_stays_with_its_command(client: Redis) -> None:
    await fill(client)
    async with client.pipeline(transaction=False) as pipe:
        for key in KEYS[:6]:
            pipe.get(key)
        pipe.lpush(KEYS[6], "no list")
        pipe.get(KEYS[7])
        answers = await pipe.execute(raise_on_error=False)
    assert [isinstance(answer, RedisError) for answer in answers] == [False] * 6 + [True, False]
    assert await client.get(KEYS[0]) == KEYS[0].encode()


async def test_a_transaction_within_one_slot(client: Redis) -> None:
    async with client.pipeline(transaction=True) as pipe:
        pipe.set("{t}a", 1, ex=60)
        pipe.incr("{t}a")
        assert await pipe.execute() == [True, 2]


async def test_a_transaction_over_nodes_is_refused(cluster: ClusterTopology, client: Redis) -> None:
    far = next(key for key in KEYS if cluster.owner_of_key(key) is not cluster.owner_of_key(KEYS[0]))
    async with client.pipeline(transaction=True) as pipe:
        pipe.get(KEYS[0])
        pipe.get(far)
        with pytest.raises(ClusterCrossSlotError):
            await pipe.execute()


async def test_a_watched_key_that_changes_fails_the_transaction(client: Redis) -> None:
    async with client.pipeline(transaction=True) as pipe:
        await pipe.watch("{t}a")
        await client.set("{t}a", "changed", ex=60)
        pipe.multi()
        pipe.set("{t}b", 1, ex=60)
        with pytest.raises(WatchError):
            await pipe.execute()
    assert await client.get("{t}b") is None


async def test_the_multiplexed_cluster_takes_many_at_a_time_to_all_nodes(client: Redis) -> None:
    await fill(client)
    send = sender_for(client)
    answers = await asyncio.gather(*(send("GET", key) for key in KEYS * 20))
    assert answers == [key.encode() for key in KEYS * 20]


async def test_a_script_is_sent_to_each_node_that_does_not_know_it(cluster: ClusterTopology, client: Redis) -> None:
    run, script = ScriptRunner(client).run, LuaScript.of("return {KEYS[1], ARGV[1]}")
    registered = client.register_script("return KEYS[1]")
    assert await registered(keys=[KEYS[0]]) == KEYS[0].encode()
    for node in cluster.nodes[:2]:
        cluster.ask(node, "SCRIPT", "FLUSH")
    for key in KEYS:
        assert await run(ScriptCall(script, [key], ["a"], list)) == [key.encode(), b"a"]
    async with client.pipeline(transaction=False) as pipe:
        for key in KEYS:
            await registered(keys=[key], client=pipe)
        assert await pipe.execute() == [key.encode() for key in KEYS]


async def test_who_is_cancelled_leaves_no_answer_to_the_next(client: Redis) -> None:
    await fill(client)
    async with client.pipeline(transaction=False) as pipe:
        pipe.eval("local t = 0 for i = 1, 3000000 do t = t + i end return t", 1, KEYS[0])
        slow = asyncio.ensure_future(pipe.execute())
        await asyncio.sleep(0)
        await cancel_and_wait(slow)
    for key in KEYS:
        assert await client.get(key) == key.encode()


async def test_what_is_published_through_any_node_is_heard(cluster: ClusterTopology, client: Redis) -> None:
    heard: list[bytes] = []
    async with Subscription(client, "voiceagent:ingress:test", heard.append):
        for number, node in enumerate(cluster.nodes):
            cluster.ask(node, "PUBLISH", "voiceagent:ingress:test", number)
        await wait_until(lambda: sorted(heard) == [b"0", b"1", b"2"], "all three were heard")


async def test_who_publishes_learns_whether_anybody_listens_at_any_node(cluster, client: Redis) -> None:
    assert not await publish_and_check(client, "voiceagent:ingress:gone", "hello", count_seconds=60)
    heard: list[bytes] = []
    async with Subscription(client, "voiceagent:ingress:here", heard.append):
        for _ in range(10):  # through a node that is picked at random
            assert await publish_and_check(client, "voiceagent:ingress:here", "hello", count_seconds=60)
        await wait_until(lambda: heard == [b"hello"] * 10, "all were heard")


async def test_while_a_node_does_not_answer_somebody_may_listen_there(client: Redis) -> None:
    await client.ping()
    client.connection_pool.topology.replicas = (("127.0.0.1", free_port()),)
    assert await publish_and_check(client, "voiceagent:ingress:gone", "hello", count_seconds=0.3)


# Slots that move


async def test_all_ways_follow_a_slot_that_has_moved(cluster: ClusterTopology, client: Redis) -> None:
    send, key = sender_for(client), "{moved}a"
    await client.set(key, "a", ex=60)
    for ask in (
        lambda: client.get(key),
        lambda: send("GET", key),
        lambda: _pipelined(client, key, transaction=False),
        lambda: _pipelined(client, key, transaction=True),
    ):
        await ask()
        target = another(cluster, cluster.owner_of_key(key))
        assert cluster.move(slot(key), target) == 1
        assert await ask() == b"a"


async def _pipelined(redis: Redis, key: str, *, transaction: bool) -> Any:
    async with redis.pipeline(transaction=transaction) as pipe:
        pipe.get(key)
        pipe.get("{moved}b")
        return (await pipe.execute())[0]


async def test_in_the_middle_of_a_move_keys_are_found_on_both_sides(cluster: ClusterTopology, client: Redis) -> None:
    names = [f"{{half}}{number}" for number in range(10)]
    send = sender_for(client)
    for name in names:
        await client.set(name, name, ex=60)
    where = slot(names[0])
    source = cluster.owner(where)
    target = another(cluster, source)
    cluster.begin_move(where, target)
    assert cluster.move_keys(where, source, target, most=5) == 5
    for name in names:
        assert await client.get(name) == name.encode()
        assert await send("GET", name) == name.encode()
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(name)
        assert await pipe.execute() == [name.encode() for name in names]
    await send("SET", "{half}new", "n", "EX", 60)  # a key that is nowhere belongs to the target
    assert await client.get("{half}new") == b"n"
    assert cluster.move_keys(where, source, target) == 5
    cluster.end_move(where, source, target)
    assert [await client.get(name) for name in names] == [name.encode() for name in names]


async def test_a_script_waits_for_keys_that_a_move_has_parted(cluster: ClusterTopology, client: Redis) -> None:
    run, names = ScriptRunner(client).run, ["{parted}1", "{parted}2"]
    for name in names:
        await client.set(name, "before", ex=60)
    where = slot(names[0])
    source = cluster.owner(where)
    target = another(cluster, source)
    cluster.begin_move(where, target)
    cluster.move_keys(where, source, target, most=1)
    writing = asyncio.ensure_future(run(ScriptCall(LuaScript.of(BOTH), names, ["after"], bytes)))
    waiting, _ = await asyncio.wait({writing}, timeout=0.1)
    assert not waiting
    cluster.move_keys(where, source, target)
    cluster.end_move(where, source, target)
    assert await writing == b"after"
    assert [await client.get(name) for name in names] == [b"after"] * 2


async def test_who_blocks_on_a_list_follows_it(cluster: ClusterTopology, client: Redis) -> None:
    wait = MultiplexedCluster(client.connection_pool, block_seconds=60).execute
    where = slot("{list}wake")
    source = cluster.owner(where)
    waiting = asyncio.ensure_future(wait("BLPOP", "{list}wake", 60))
    await wait_until(lambda: cluster.ask(source, "INFO", "clients")["blocked_clients"] == 1, "it waits at the source")
    cluster.move(where, another(cluster, source))
    await client.lpush("{list}wake", "token")
    assert await waiting == [b"{list}wake", b"token"]


@pytest.mark.processes
async def test_a_wait_for_replicas_is_never_parted_from_its_write(replicated: ClusterTopology) -> None:
    async with connect(Settings(redis_url=replicated.url)) as redis:
        await redis.set("{w}1", "before", ex=60)
        target = another(replicated, replicated.owner_of_key("{w}"))
        replicated.move(slot("{w}"), target)
        follower = next(
            node for node in replicated.nodes if replicated.ask(node, "INFO")["role"] == "slave"
            and replicated.ask(node, "INFO")["master_port"] == target.port
        )  # fmt: skip
        follower.kill()  # at the former owner, a WAIT would find a replica that has it all
        async with redis.pipeline(transaction=False) as pipe:
            pipe.set("{w}1", "after", ex=60)
            pipe.execute_command("WAIT", 1, 200)
            assert await pipe.execute() == [True, 0]
        assert await redis.get("{w}1") == b"after"


# Nodes that die


@pytest.mark.processes
async def test_what_goes_on_while_a_master_dies_is_answered_by_its_replica(replicated: ClusterTopology) -> None:
    redis = connect(Settings(redis_url=replicated.url))
    send = sender_for(redis)
    await fill(redis)
    victim = replicated.owner_of_key(KEYS[0])
    stop = asyncio.Event()
    served: dict[str, int] = dict.fromkeys(KEYS, 0)

    async def call(key: str, place: int) -> None:
        while not stop.is_set():
            await (send("SET", key, key, "EX", 60) if place % 2 else redis.set(key, key, ex=60))
            served[key] += 1
            await asyncio.sleep(0.005)

    callers = [asyncio.create_task(call(key, place)) for place, key in enumerate(KEYS)]
    await wait_until(lambda: all(served.values()), "all are served")
    victim.kill()
    await asyncio.to_thread(replicated.wait_for_new_owner, slot(KEYS[0]), victim)
    before = dict(served)
    await wait_until(lambda: all(served[key] > before[key] for key in KEYS), "all are served again")
    stop.set()
    await asyncio.gather(*callers)  # nobody has seen an error
    await redis.aclose()


@pytest.mark.processes
async def test_a_slot_that_nobody_serves_is_told_in_time() -> None:
    with ClusterTopology() as cluster:
        async with connect(Settings(redis_url=cluster.url), timings=ConnectionTimings(failover=0.3)) as redis:
            await fill(redis)
            cluster.owner_of_key(KEYS[0]).kill()
            with pytest.raises(StoreUnavailable), store_errors():
                await redis.get(KEYS[0])
            with pytest.raises(StoreUnavailable), store_errors():
                await sender_for(redis)("GET", KEYS[0])
            with pytest.raises(StoreUnavailable), store_errors():
                await redis.ping()


@pytest.mark.processes
async def test_a_subscription_moves_to_a_node_that_lives(replicated: ClusterTopology) -> None:
    heard: list[bytes] = []
    gaps: list[bool] = []
    redis = connect(Settings(redis_url=replicated.url), block_seconds=30)
    async with redis, Subscription(redis, "news", heard.append, lambda: gaps.append(True)):
        listened = next(node for node in replicated.nodes if replicated.ask(node, "PUBSUB", "NUMSUB", "news")[1])
        listened.kill()
        await wait_until(lambda: bool(gaps), "it has moved", timeout=30)
        other = next(node for node in replicated.nodes if node is not listened)
        replicated.ask(other, "PUBLISH", "news", "hello")
        await wait_until(lambda: heard == [b"hello"], "it hears")


async def test_one_seed_that_answers_is_enough(cluster: ClusterTopology) -> None:
    dead = ",".join(f"127.0.0.1:{free_port()}" for _ in range(3))
    async with connect(Settings(redis_url=f"redis-cluster://{dead},127.0.0.1:{cluster.nodes[2].port}")) as redis:
        await fill(redis)
        assert await redis.get(KEYS[0]) == KEYS[0].encode()


async def test_a_cluster_that_is_away_is_told() -> None:
    url = f"redis-cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    async with connect(Settings(redis_url=url), timings=ConnectionTimings(failover=0.1)) as redis:
        with pytest.raises((RedisError, OSError)) as caught:
            await redis.ping()
    assert "refuses the connection" in explain(caught.value, url)


@pytest.mark.processes
async def test_passwords() -> None:
    with ClusterTopology(password="right") as cluster:
        async with connect(Settings(redis_url=cluster.url)) as redis:
            await fill(redis)
            cluster.move(slot(KEYS[0]), another(cluster, cluster.owner_of_key(KEYS[0])))
            assert await sender_for(redis)("GET", KEYS[0]) == KEYS[0].encode()
        for url, says in (
            (cluster.url.replace("right", "wrong"), "refuses the user or the password"),
            (cluster.url.replace(":right@", ""), "requires a password"),
        ):
            async with connect(Settings(redis_url=url)) as redis:
                with pytest.raises((AuthenticationError, RedisError)) as caught:
                    await redis.get(KEYS[0])
            assert says in explain(caught.value, url)
