"""Measures what the doctor judges: the servers, and our keys in them. It only reads, and a bounded amount."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from redis.utils import HIREDIS_AVAILABLE

from orchestrator import clock
from orchestrator.doctor.facts import ClusterFacts, Facts, ServerFacts, SystemFacts
from orchestrator.doctor.schedules import LATE_SECONDS
from orchestrator.health.redis import read_system_status
from orchestrator.health.workers import WORKER_ALIVE_SECONDS
from orchestrator.redis import keys
from orchestrator.redis.cluster import ClusterPool, shards_of
from orchestrator.redis.connections import connect, parsed_url
from orchestrator.redis.errors import explain
from orchestrator.redis.slots import SLOTS
from orchestrator.settings import Settings

PINGS = 50
MOST_KEYS = 20_000
PAGE = 500
LONGEST_SECONDS = 30.0
OPTIONS = ("min-replicas-to-write", "min-replicas-max-lag", "appendfsync", "cluster-node-timeout")


async def inspect_redis(settings: Settings, listener: str = "") -> Facts:
    """Return the facts about the Redis of `settings`, and whether anybody subscribes to the channel `listener` there.
    Raise only `BadSetting`."""
    url = parsed_url(settings)
    kind = "sentinel" if url.is_sentinel else "cluster" if url.is_cluster else "standalone"
    facts: dict[str, Any] = {"place": url.place, "is_encrypted": url.is_tls, "has_password": bool(url.password)}
    redis = connect(settings, max_connections=4)
    forbidden: list[str] = []
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            if isinstance(redis.connection_pool, ClusterPool):
                facts |= await _cluster(redis, redis.connection_pool, forbidden, listener)
            else:
                facts["servers"] = (await _server(redis, url.place, forbidden),)
                facts["system"] = await _system(redis, [redis])
                facts["has_listener"] = await _has_listener([redis], listener)
    except (RedisError, OSError) as error:
        return Facts(**facts, kind=kind, trouble=explain(error, settings.effective_redis_url()))
    finally:
        await redis.aclose()
    return Facts(**facts, kind=kind, forbidden=tuple(dict.fromkeys(forbidden)), fast_parser=HIREDIS_AVAILABLE)


async def _cluster(redis: Redis, pool: ClusterPool, forbidden: list[str], listener: str) -> dict[str, Any]:
    """`cluster`, `servers` (each node), `has_listener`, and `system` where all slots can be read."""
    topology = pool.topology
    await topology.refresh()
    nodes = {address: Redis(connection_pool=pool.node(address)) for address in topology.nodes}
    servers = [await _node(node, "{}:{}".format(*address), forbidden) for address, node in nodes.items()]
    reached = {server.place for server in servers if not server.trouble}
    cluster = ClusterFacts(
        masters=len(topology.masters),
        replicas=len(topology.replicas),
        slots_away=sum(
            owner is None or "{}:{}".format(*owner) not in reached for owner in map(topology.owner, range(SLOTS))
        ),
    )
    found: dict[str, Any] = {"cluster": cluster, "servers": tuple(servers)}
    found["has_listener"] = await _has_listener([nodes[a] for a in nodes if "{}:{}".format(*a) in reached], listener)
    if not cluster.slots_away:
        found["system"] = await _system(redis, [nodes[address] for address in topology.masters])
    return found


async def _has_listener(nodes: list[Redis], channel: str) -> bool | None:
    """True if anybody subscribes to the channel at one of the nodes; None if there is no channel, or we may not ask."""
    if not channel:
        return None
    try:
        told = [await node.pubsub_numsub(channel) for node in nodes]
    except NoPermissionError:
        return None
    return any(count > 0 for answer in told for _, count in answer)


async def _node(redis: Redis, place: str, forbidden: list[str]) -> ServerFacts:
    try:
        return await _server(redis, place, forbidden)
    except (RedisError, OSError) as error:
        return ServerFacts(place, trouble=explain(error))


async def _server(redis: Redis, place: str, forbidden: list[str]) -> ServerFacts:
    ahead, pings = await _timed(redis)
    info: dict[str, Any] = {}
    try:
        info = await redis.info()
    except NoPermissionError:
        forbidden.append("INFO: version, memory, eviction policy, persistence and replicas are unknown")
    return ServerFacts(place, info, await _options(redis), pings, ahead)


async def _timed(redis: Redis) -> tuple[float, tuple[float, ...]]:
    """Return how far the server's clock is ahead (seconds), and how long each PING took (milliseconds)."""
    await redis.execute_command("PING")  # type: ignore[no-untyped-call]  # connects, which is not to be measured
    pings: list[float] = []
    for _ in range(PINGS):
        began = time.perf_counter()
        await redis.execute_command("PING")  # type: ignore[no-untyped-call]
        pings.append((time.perf_counter() - began) * 1000)
    began = time.time()
    seconds, microseconds = await redis.time()
    return seconds + microseconds / 1_000_000 - (began + time.time()) / 2, tuple(pings)


async def _options(redis: Redis) -> dict[str, str]:
    """Return options of the server; none if CONFIG is disabled, as hosted services do."""
    try:
        found = [await redis.config_get(name) for name in OPTIONS]
    except ResponseError:
        return {}
    return {_text(name): _text(value) for page in found for name, value in page.items()}


async def _system(redis: Redis, masters: list[Redis]) -> SystemFacts:
    status = await read_system_status(redis)
    seen, complete = await _our_keys(masters)
    heartbeat = await redis.get(keys.LAST_CRON_RUN)
    active = [await redis.zcount(shard.calls, clock.now(), "+inf") for shard in shards_of(redis)]
    late = (clock.now() - LATE_SECONDS) * 1000
    return SystemFacts(
        keys_seen=len(seen),
        all_keys_seen=complete,
        without_ttl=tuple(await _without_ttl(redis, seen)),
        states=sum(key.startswith(keys.STATE_PREFIX) for key in seen),
        active_calls=sum(active),
        workers=tuple(await _workers(redis)),
        queue_depth=status.queue_depth,
        oldest_wait_seconds=status.oldest_wait_seconds,
        dead_letters=status.dead_letters,
        heartbeat_age_seconds=None if heartbeat is None else clock.now() - float(heartbeat),
        outbox=None if status.events is None else status.events.report,
        rollout=status.rollout,
        schedules=sum([await redis.zcard(shard.schedules) for shard in shards_of(redis)]),
        late_schedules=sum([await redis.zcount(shard.schedules, "-inf", late) for shard in shards_of(redis)]),
    )


async def _our_keys(masters: list[Redis]) -> tuple[list[str], bool]:
    """Return our keys, up to a limit, and whether those are all. SCAN blocks no other client."""
    seen: set[str] = set()
    for redis, pattern in itertools.product(masters, keys.OURS):
        async for key in redis.scan_iter(match=pattern, count=PAGE):
            seen.add(_text(key))
            if len(seen) >= MOST_KEYS:
                return sorted(seen), False
    return sorted(seen), True


async def _without_ttl(redis: Redis, names: list[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(names), PAGE):
        page = names[start : start + PAGE]
        pipe = redis.pipeline(transaction=False)
        for name in page:
            pipe.ttl(name)
        found += [name for name, ttl in zip(page, await pipe.execute(), strict=True) if ttl == -1]
    return found


async def _workers(redis: Redis) -> list[dict[str, Any]]:
    """Return the status that live workers report."""
    alive = await redis.zrangebyscore(keys.WORKERS, clock.now() - WORKER_ALIVE_SECONDS, "+inf")
    statuses = [await redis.get(keys.worker_status(_text(holder))) for holder in alive]
    return list(_statuses(statuses))


def _statuses(texts: Iterable[bytes | None]) -> Iterable[dict[str, Any]]:
    for text in texts:
        try:
            yield json.loads(text or b"{}")
        except ValueError:  # a newer version may write something else
            yield {}


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
