"""Clients reach every kind of server that the product takes, and say what is wrong with the others."""

import asyncio
import shutil
from contextlib import asynccontextmanager, suppress

import pytest
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from support.certificates import CertificateAuthority
from support.cluster import ClusterTopology
from support.sentinels import SentinelTopology
from support.servers import RedisServer, free_port
from support.tls_front import TLS
from support.waiting import wait_until

from orchestrator.redis.commands import sender_for
from orchestrator.redis.connections import ConnectionTimings, connect, connection_pool
from orchestrator.redis.errors import explain
from orchestrator.redis.subscription import Subscription
from orchestrator.settings import Settings

OF_A_CLIENT = {"decode_responses", "max_connections", "block_seconds"}
DEBIAN_REDIS = "/usr/bin/redis-server"
HASTY = ConnectionTimings(retry=0.1, failover=0.1)
PATIENT = ConnectionTimings(failover=60)

needs_tls_server = pytest.mark.skipif(
    shutil.which(DEBIAN_REDIS) is None, reason=f"needs a server built with TLS at {DEBIAN_REDIS}"
)


@asynccontextmanager
async def client(url: str, **options):
    """A client by the product's own settings. `max_connections` is the client's, not the ingress's."""
    taken = {name: options.pop(name) for name in list(options) if name in Settings.model_fields.keys() - OF_A_CLIENT}
    made = connect(Settings(redis_url=url, **taken), **options)
    try:
        yield made
    finally:
        await made.aclose()


async def complaint(url: str, **options) -> str:
    """What a person is told when this URL does not work."""
    async with client(url, **options) as redis:
        with pytest.raises((RedisError, OSError)) as caught:
            await redis.set("key", "value")
    return explain(caught.value, url)


async def test_a_plain_server_is_reached_and_answers_bytes_or_text(redis_url) -> None:
    async with client(redis_url) as redis, client(redis_url, decode_responses=True) as decoding:
        await redis.set("key", "käse", ex=10)
        assert (await redis.get("key"), await decoding.get("key")) == ("käse".encode(), "käse")


async def test_the_database_of_the_url_is_used(redis_url) -> None:
    async with client(redis_url.removesuffix("/0") + "/3") as redis:
        await redis.set("key", "value")
        assert await redis.dbsize() == 1
        await redis.select(0)
        assert await redis.dbsize() == 0


async def test_a_unix_socket_is_reached(redis_server) -> None:
    async with client(f"unix://{redis_server.unix_socket}?db=1") as redis:
        assert await redis.ping()


async def test_a_password_with_odd_characters_is_decoded(start_redis) -> None:
    server = start_redis("--requirepass", "p@s/s:%#?")
    async with client(f"redis://:p%40s%2Fs%3A%25%23%3F@127.0.0.1:{server.port}") as redis:
        assert await redis.ping()
    parts = Settings(redis_host="127.0.0.1", redis_port=server.port, redis_password="p@s/s:%#?")
    redis = connect(parts)
    assert await redis.ping()
    await redis.aclose()


async def test_an_acl_user_is_logged_in(start_redis) -> None:
    server = start_redis("--user", "ann", "on", ">pass", "~voiceagent:*", "+@all")
    async with client(f"redis://ann:pass@127.0.0.1:{server.port}") as redis:
        assert await redis.acl_whoami() in (b"ann", "ann")
    assert "forbids a command that we need" in await complaint(f"redis://ann:pass@127.0.0.1:{server.port}")


async def test_arq_gets_a_client_of_its_class_and_one_over_the_pool(redis_url) -> None:
    async with client(redis_url, redis_class=ArqRedis) as arq:
        assert isinstance(arq, ArqRedis)
        assert await arq.ping()
    arq = ArqRedis(pool_or_conn=connection_pool(Settings(redis_url=redis_url)))
    assert await arq.ping()
    await arq.connection_pool.aclose()


async def test_a_command_on_a_frozen_server_ends_in_an_error(start_redis) -> None:
    server = start_redis()
    async with client(server.url, timings=ConnectionTimings(answer=0.1, retry=0.2)) as redis:

        async def answers() -> bool:
            with suppress(RedisError):
                return bool(await redis.ping())
            return False

        await wait_until(answers, "the server answers as fast as it has to")
        server.pause()
        with pytest.raises(RedisTimeoutError) as caught:
            await redis.ping()
        assert "does not answer in time" in explain(caught.value, server.url)


async def test_a_command_rides_over_a_restart(start_redis) -> None:
    server = start_redis()
    async with client(server.url) as redis:
        await redis.ping()
        server.kill()
        restarting = asyncio.to_thread(server.start)
        waiting = asyncio.create_task(redis.echo("here"))
        await restarting
        assert await waiting == b"here"


async def test_a_blocking_client_waits_as_long_as_it_was_told_and_never_repeats(start_redis) -> None:
    server = start_redis()
    async with client(server.url, block_seconds=30, timings=ConnectionTimings(answer=0.3, retry=3600)) as redis:
        assert await redis.blpop(["nothing"], timeout=1) is None
        server.kill()
        with pytest.raises(RedisConnectionError):
            async with asyncio.timeout(60):
                await redis.blpop(["nothing"], timeout=1)


async def test_callers_queue_for_a_busy_pool(redis_url) -> None:
    async with client(redis_url, max_connections=2) as redis:
        assert await asyncio.gather(*(redis.echo(str(n)) for n in range(50))) == [b"%d" % n for n in range(50)]
        assert len(await redis.client_list()) <= 3


async def test_who_queues_too_long_is_told(redis_url, redis_client) -> None:
    async with client(redis_url, max_connections=1, block_seconds=60, timings=ConnectionTimings(queue=0.05)) as redis:
        blocked = asyncio.create_task(redis.blpop(["nothing"], timeout=60))

        async def is_taken() -> bool:
            return any(each["cmd"] == "blpop" for each in await redis_client.client_list())

        await wait_until(is_taken, "the connection is taken")
        with pytest.raises(RedisConnectionError) as caught:
            await redis.ping()
        assert "keeps all of our connections busy" in explain(caught.value)
        blocked.cancel()


async def test_cancelled_callers_give_their_connections_back(redis_url, redis_client) -> None:
    async with client(redis_url, max_connections=3) as redis:
        for _ in range(20):
            tasks = [asyncio.create_task(redis.blpop(["nothing"], timeout=1)) for _ in range(9)]
            for _ in range(3):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.gather(*(redis.echo("x") for _ in range(9))) == [b"x"] * 9
        waiting = [asyncio.create_task(redis.blpop([name], timeout=60)) for name in ("one", "two", "three")]
        async with asyncio.timeout(30):
            for name, task in reversed(list(zip(("one", "two", "three"), waiting, strict=True))):
                await redis_client.rpush(name, "x")  # the last one has a connection while the others wait
                await redis_client.expire(name, 60)
                assert await task == (name.encode(), b"x")


# What is wrong, in one sentence.


async def test_nobody_there_is_told() -> None:
    said = await complaint(f"redis://:hush@127.0.0.1:{free_port()}")
    assert said.startswith("Redis at 127.0.0.1:")
    assert "refuses the connection" in said
    assert "hush" not in said
    assert "no such socket" in await complaint("unix:///nowhere/redis.sock")


async def test_an_unknown_host_is_told() -> None:
    assert "cannot be found" in await complaint("redis://redis.invalid")


async def test_wrong_and_missing_passwords_are_told(start_redis) -> None:
    server = start_redis("--requirepass", "right")
    address = f"127.0.0.1:{server.port}"
    assert "refuses the user or the password" in await complaint(f"redis://:wrong@{address}")
    assert "refuses the user or the password" in await complaint(f"redis://nobody:wrong@{address}")
    assert "requires a password" in await complaint(f"redis://{address}")


async def test_a_password_for_a_server_without_one_is_told(redis_server) -> None:
    assert "has no password, but one is set" in await complaint(f"redis://:pass@127.0.0.1:{redis_server.port}")


async def test_a_database_that_is_not_there_is_told(redis_server) -> None:
    said = await complaint(f"redis://127.0.0.1:{redis_server.port}/99")
    assert "has no database of that number" in said


async def test_a_replica_is_told(start_redis) -> None:
    master = start_redis("--repl-diskless-sync-delay", "0")
    replica = start_redis("--replicaof", "127.0.0.1", str(master.port))
    await wait_until(lambda: replica.client().info()["master_link_status"] == "up", "the replica is linked")
    assert "is a replica" in await complaint(replica.url)


async def test_a_cluster_node_is_told(start_redis) -> None:
    node = start_redis("--cluster-enabled", "yes")
    assert "is a node of a Redis Cluster" in await complaint(node.url)


async def test_a_cluster_url_to_a_plain_server_is_told(redis_server) -> None:
    assert "is not a Redis Cluster. Use redis://" in await complaint(f"redis-cluster://127.0.0.1:{redis_server.port}")


async def test_a_cluster_url_to_a_node_without_slots_is_told(start_redis) -> None:
    node = start_redis("--cluster-enabled", "yes")
    said = await complaint(f"redis-cluster://127.0.0.1:{node.port}", timings=HASTY)
    assert "does not serve all of its slots" in said


async def test_a_sentinel_url_to_a_plain_server_is_told(redis_server) -> None:
    said = await complaint(f"redis-sentinel://127.0.0.1:{redis_server.port}/mymaster")
    assert "is not a Sentinel" in said


async def test_sentinels_that_are_away_are_told() -> None:
    said = await complaint(f"redis-sentinel://127.0.0.1:{free_port()}/mymaster", timings=HASTY)
    assert "no Sentinel that answers" in said


# TLS


@pytest.fixture
def authority(tmp_path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@pytest.fixture(params=["behind a front", pytest.param("by itself", marks=needs_tls_server)])
def start_tls(request, authority, start_redis):
    """Start a server that is reached by TLS alone, with a certificate for `names`."""

    def start(*names: str, clients: str = "no") -> RedisServer:
        identity = authority.issue(*names)
        if request.param == "behind a front":
            asks = clients == "yes"
            return start_redis(tls=TLS(identity, authority.certificate, asks_clients=asks, also_plain=False))
        port = free_port()
        return start_redis(
            "--port", "0", "--tls-port", str(port), "--tls-auth-clients", clients,
            "--tls-cert-file", str(identity.certificate), "--tls-key-file", str(identity.key),
            "--tls-ca-cert-file", str(authority.certificate),
            port=port, binary=DEBIAN_REDIS,
        )  # fmt: skip

    return start


async def test_tls_is_spoken_with_a_server_whose_authority_is_known(authority, start_tls) -> None:
    server = start_tls("localhost", "127.0.0.1")
    for host in ("localhost", "127.0.0.1"):
        async with client(f"rediss://{host}:{server.port}", redis_ca_file=str(authority.certificate)) as redis:
            assert await redis.ping()


async def test_a_channel_is_listened_to_by_tls(authority, start_tls) -> None:
    server = start_tls("localhost", "127.0.0.1")
    heard: list[bytes] = []
    async with (
        client(f"rediss://localhost:{server.port}", redis_ca_file=str(authority.certificate)) as redis,
        Subscription(redis, "news", heard.append),
    ):
        messages = [b"hello", b"x" * 3_000_000, b"again"]
        for message in messages:
            await redis.publish("news", message)
        await wait_until(lambda: heard == messages, "they are heard")


async def test_a_stranger_is_told_unless_any_certificate_will_do(start_tls) -> None:
    server = start_tls("localhost", "127.0.0.1")
    assert "an unknown authority has signed" in await complaint(f"rediss://localhost:{server.port}")
    async with client(f"rediss://localhost:{server.port}?ssl_cert_reqs=none") as redis:
        assert await redis.ping()


async def test_a_certificate_for_another_name_is_refused(authority, start_tls) -> None:
    server = start_tls("another.example")
    said = await complaint(f"rediss://localhost:{server.port}", redis_ca_file=str(authority.certificate))
    assert "certificate for another name" in said


async def test_a_client_certificate_is_shown_where_it_is_wanted(authority, start_tls) -> None:
    server = start_tls("localhost", clients="yes")
    ours = authority.issue("ours.example")
    url, known = f"rediss://localhost:{server.port}", {"redis_ca_file": str(authority.certificate)}
    files = {"redis_cert_file": str(ours.certificate), "redis_key_file": str(ours.key)}
    async with client(url, **known, **files) as redis:
        assert await redis.ping()
    assert "client certificate" in await complaint(url, **known)


async def test_tls_where_there_is_none_and_none_where_there_is_are_told(redis_server, start_tls) -> None:
    assert "TLS" in await complaint(f"rediss://127.0.0.1:{redis_server.port}")
    server = start_tls("localhost")
    assert "require TLS (rediss://" in await complaint(f"redis://127.0.0.1:{server.port}")


@pytest.fixture
def tls(authority) -> TLS:
    """For a topology whose nodes are on this machine."""
    return TLS(authority.issue("127.0.0.1"), authority.certificate, also_plain=True)


@pytest.mark.processes
async def test_sentinels_and_their_master_are_reached_by_tls(authority, tls) -> None:
    known = {"redis_ca_file": str(authority.certificate)}
    with SentinelTopology(password="pass", sentinel_password="other", tls=tls) as topology:
        url = f"{topology.url}?sentinel_password=other"
        assert url.startswith("rediss-sentinel://")
        async with client(url, **known, timings=PATIENT) as redis:
            assert await redis.set("key", "value", ex=60)
            await redis.wait(1, 5000)
            topology.master().kill()
            assert await asyncio.wait_for(redis.get("key"), 90) == b"value"
        assert "an unknown authority has signed" in await complaint(url, timings=HASTY)


@pytest.mark.processes
async def test_a_cluster_is_reached_by_tls_at_each_node(authority, tls) -> None:
    with ClusterTopology(password="pass", tls=tls) as cluster:
        assert cluster.url.startswith("rediss-cluster://")
        async with client(cluster.url, redis_ca_file=str(authority.certificate)) as redis:
            names = [f"key{number}" for number in range(30)]
            for name in names:
                await redis.set(name, name, ex=60)
            assert [await sender_for(redis)("GET", name) for name in names] == [name.encode() for name in names]
        assert all(cluster.ask(node, "DBSIZE") for node in cluster.nodes)
        assert "an unknown authority has signed" in await complaint(cluster.url)


# Sentinel


@pytest.mark.processes
async def test_sentinels_name_the_master_and_its_successor() -> None:
    with SentinelTopology(password="pass", sentinel_password="other") as topology:
        url = f"redis-sentinel://:pass@{topology.hosts}/mymaster/0?sentinel_password=other"
        async with client(url, timings=PATIENT) as redis:
            await redis.set("key", "value")
            assert int(topology.master().client(password="pass").dbsize()) == 1
            await redis.wait(1, 5000)
            topology.master().kill()
            assert await asyncio.wait_for(redis.get("key"), 90) == b"value"
            await redis.set("key", "again")
            assert "no healthy master" in await complaint(url.replace("mymaster", "nobody"))


async def test_a_server_that_closes_every_connection_at_once_is_one_plain_error() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "closed the connection" in await complaint(f"redis://127.0.0.1:{port}", timings=HASTY)
