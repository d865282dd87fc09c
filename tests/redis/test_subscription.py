"""A subscription hears what is published, also after its connection was cut, fell silent or led to a former master."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError
from support.proxy import FaultProxy
from support.sentinels import SentinelTopology
from support.servers import RedisServer, ServerFactory
from support.waiting import wait_until

from orchestrator.redis.connections import connect
from orchestrator.redis.rights import acl_rules
from orchestrator.redis.subscription import Subscription
from orchestrator.settings import load_settings

CHANNEL = "voiceagent:ingress:test"


class Listener:
    """A subscription, what it heard, and how often it may have missed something."""

    def __init__(self, url: str, **options: Any) -> None:
        self.redis = connect(load_settings(redis_url=url), block_seconds=30, max_connections=2)
        self.heard: list[bytes] = []
        self.gaps = 0
        self.subscription = Subscription(self.redis, CHANNEL, self.heard.append, self._gap, **options)

    def _gap(self) -> None:
        self.gaps += 1

    async def hears(self, *messages: bytes) -> None:
        await wait_until(lambda: self.heard == list(messages), f"{messages[-1][:20]!r} is heard")


@asynccontextmanager
async def listening(url: str, **options: Any) -> AsyncIterator[Listener]:
    listener = Listener(url, **options)
    async with listener.redis, listener.subscription:
        yield listener


def subscribers(server: RedisServer) -> list[dict[str, Any]]:
    with server.client() as client:
        return list(client.client_list(_type="pubsub"))


async def test_messages_come_as_bytes_in_order_and_whole(redis_client: Redis, redis_url: str) -> None:
    async with listening(redis_url) as listener:
        assert listener.subscription.connected
        messages = [b"\xff\x00 not text", b"", b"x" * 5_000_000, *(b"%d" % number for number in range(500))]
        for message in messages:
            await redis_client.publish(CHANNEL, message)
        await redis_client.publish("voiceagent:ingress:other", b"of another channel")
        await redis_client.publish(CHANNEL, b"last")
        await listener.hears(*messages, b"last")
        assert listener.gaps == 0


async def test_a_message_that_its_handler_refuses_stops_no_other(redis_client, redis_url, caplog) -> None:
    def refuse(data: bytes) -> None:
        if data == b"bad":
            raise ValueError("not one of ours")
        heard.append(data)

    heard: list[bytes] = []
    caplog.set_level(logging.ERROR)
    async with connect(load_settings(redis_url=redis_url)) as redis, Subscription(redis, CHANNEL, refuse):
        for message in (b"bad", b"good"):
            await redis_client.publish(CHANNEL, message)
        await wait_until(lambda: heard == [b"good"], "the next message is heard")
    assert "could not be read (ValueError)" in caplog.text


async def test_who_is_cut_off_subscribes_again_and_is_told_of_the_gap(redis_server, redis_client, redis_url) -> None:
    async with listening(redis_url) as listener:
        await redis_client.client_kill_filter(_type="pubsub")
        await wait_until(lambda: listener.gaps == 1, "it has subscribed again")
        assert listener.subscription.connected
        await redis_client.publish(CHANNEL, b"again")
        await listener.hears(b"again")
        assert len(subscribers(redis_server)) == 1


async def test_a_server_that_is_restarted_is_heard_again(start_redis: ServerFactory) -> None:
    server = start_redis()
    async with listening(server.url) as listener:
        server.kill()
        await wait_until(lambda: not listener.subscription.connected, "the loss is noticed")
        server.start()
        await wait_until(lambda: listener.gaps == 1, "it has subscribed again")
        server.client().publish(CHANNEL, b"back")
        await listener.hears(b"back")


async def test_a_peer_that_is_silently_gone_is_left(redis_server: RedisServer, redis_client: Redis) -> None:
    async with FaultProxy(redis_server.port) as proxy, listening(proxy.url, quiet_seconds=0.1) as listener:
        proxy.blackhole()
        await wait_until(lambda: not listener.subscription.connected, "nothing comes any more")
        proxy.heal()
        await wait_until(lambda: listener.subscription.connected and listener.gaps, "it has subscribed again")
        await redis_client.publish(CHANNEL, b"back")
        await wait_until(lambda: b"back" in listener.heard, "it hears")


async def test_a_quiet_connection_that_answers_pings_is_kept(redis_server: RedisServer, redis_client: Redis) -> None:
    async def pinged() -> int:
        return int((await redis_client.info("commandstats"))["cmdstat_ping"]["calls"])

    await redis_client.ping()
    async with listening(redis_server.url, quiet_seconds=1) as listener:  # and so long it waits for the answer to one
        (before,) = subscribers(redis_server)
        pings = await pinged()
        await wait_until(lambda: _more_than(pinged, pings + 1), "it pings")
        (after,) = subscribers(redis_server)
        assert after["id"] == before["id"]
        assert listener.gaps == 0


async def _more_than(count: Any, number: int) -> bool:
    return bool(await count() > number)


async def test_it_leaves_its_connection_when_told_to(redis_server: RedisServer, redis_client: Redis) -> None:
    async with listening(redis_server.url) as listener:
        (before,) = subscribers(redis_server)
        listener.subscription.reconnect()
        await wait_until(lambda: listener.gaps == 1, "it has subscribed again")
        (after,) = subscribers(redis_server)
        assert after["id"] != before["id"]


async def test_leaving_closes_the_connection(redis_server: RedisServer) -> None:
    redis = connect(load_settings(redis_url=redis_server.url))
    async with redis:
        async with Subscription(redis, CHANNEL, print):
            assert len(subscribers(redis_server)) == 1
        await wait_until(lambda: not subscribers(redis_server), "nobody listens")
        assert await redis.ping()


async def test_a_user_without_the_right_is_refused_until_it_has_it(start_redis: ServerFactory) -> None:
    server = start_redis()
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "ann", "on", ">p@ss", *acl_rules(), "resetchannels")
        url = f"redis://ann:p%40ss@127.0.0.1:{server.port}/0"
        async with listening(url) as listener:
            assert not listener.subscription.connected
            admin.execute_command("ACL", "SETUSER", "ann", *acl_rules())
            await wait_until(lambda: listener.subscription.connected, "it may subscribe")
            admin.publish(CHANNEL, b"hello")
            await listener.hears(b"hello")


async def test_a_unix_socket_is_listened_to(redis_server: RedisServer, redis_client: Redis) -> None:
    async with listening(f"unix://{redis_server.unix_socket}?db=0") as listener:
        await redis_client.publish(CHANNEL, b"hello")
        await listener.hears(b"hello")


def test_it_does_the_same_on_uvloop(redis_server: RedisServer) -> None:
    async def cut_and_listen() -> None:
        async with listening(redis_server.url) as listener, Redis.from_url(redis_server.url) as redis:
            await redis.publish(CHANNEL, b"x" * 3_000_000)
            await redis.client_kill_filter(_type="pubsub")
            await wait_until(lambda: listener.gaps == 1, "it has subscribed again")
            await redis.publish(CHANNEL, b"again")
            await listener.hears(b"x" * 3_000_000, b"again")
            listener.subscription.reconnect()
            await wait_until(lambda: listener.gaps == 2, "it has subscribed once more")

    uvloop.run(cut_and_listen())


@pytest.mark.processes
async def test_behind_sentinels_it_follows_the_master() -> None:
    with SentinelTopology(password="pass") as topology:
        async with listening(topology.url) as listener:
            await asyncio.to_thread(topology.master().kill)

            def is_heard() -> bool:
                """Publish: what comes while the new master is being set up is lost."""
                with suppress(RedisError, LookupError):
                    topology.master().client(password="pass").publish(CHANNEL, b"hello")
                return b"hello" in listener.heard

            await wait_until(lambda: asyncio.to_thread(is_heard), "it hears the new master", timeout=90)
            assert listener.gaps
