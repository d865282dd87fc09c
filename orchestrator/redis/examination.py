"""Measures what the doctor judges: the servers, and what of ours is in them. Reads only, and a bounded lot of it."""

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from redis.utils import HIREDIS_AVAILABLE

from orchestrator.doctor.facts import Facts, ServerFacts, SystemFacts
from orchestrator.redis import keys
from orchestrator.redis.connections import connect, parsed_url
from orchestrator.redis.errors import explain
from orchestrator.redis.vitals import WORKER_ALIVE_SECONDS, read_vitals
from orchestrator.settings import Settings

PINGS = 50
MOST_KEYS = 20_000
PAGE = 500
LONGEST_SECONDS = 30.0
OPTIONS = ("min-replicas-to-write", "min-replicas-max-lag", "appendfsync")


async def examine(settings: Settings) -> Facts:
    """The facts about the Redis of `settings`. Raises nothing but `BadSetting`."""
    url = parsed_url(settings)
    kind = "sentinel" if url.is_sentinel else "standalone"
    facts: dict[str, Any] = {"place": url.place, "is_encrypted": url.is_tls, "has_password": bool(url.password)}
    redis = connect(settings, max_connections=4)
    forbidden: list[str] = []
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            servers = (await _server(redis, url.place, forbidden),)
            system = await _system(redis)
    except (RedisError, OSError) as error:
        return Facts(**facts, kind=kind, trouble=explain(error, settings.effective_redis_url()))
    finally:
        await redis.aclose()
    return Facts(
        **facts, kind=kind, servers=servers, system=system, forbidden=tuple(forbidden), fast_parser=HIREDIS_AVAILABLE
    )


async def _server(redis: Redis, place: str, forbidden: list[str]) -> ServerFacts:
    ahead, pings = await _timed(redis)
    info: dict[str, Any] = {}
    try:
        info = await redis.info()
    except NoPermissionError:
        forbidden.append("INFO: version, memory, eviction policy, persistence and replicas are unknown")
    return ServerFacts(place, info, await _options(redis), pings, ahead)


async def _timed(redis: Redis) -> tuple[float, tuple[float, ...]]:
    """By how much the server's clock is ahead, and how long each PING took, in ms."""
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
    """Options of the server; none where CONFIG is switched off, as hosted services do."""
    try:
        found = [await redis.config_get(name) for name in OPTIONS]
    except ResponseError:
        return {}
    return {_text(name): _text(value) for page in found for name, value in page.items()}


async def _system(redis: Redis) -> SystemFacts:
    vitals = await read_vitals(redis)
    seen, complete = await _our_keys(redis)
    beat = await redis.get(keys.HEARTBEAT)
    return SystemFacts(
        keys_seen=len(seen),
        all_keys_seen=complete,
        immortal=tuple(await _immortal(redis, seen)),
        states=sum(key.startswith(keys.STATE_PREFIX) for key in seen),
        active_calls=await redis.zcount(keys.ACTIVE_CALLS, time.time(), "+inf"),
        workers=tuple(await _workers(redis)),
        queue_depth=vitals.queue_depth,
        oldest_wait_seconds=vitals.oldest_wait_seconds,
        dead_letters=vitals.dead_letters,
        heartbeat_age_seconds=None if beat is None else time.time() - float(beat),
    )


async def _our_keys(redis: Redis) -> tuple[list[str], bool]:
    """Keys of ours, up to a limit, and whether those are all. By SCAN: nobody else has to wait."""
    seen: set[str] = set()
    for pattern in keys.OURS:
        async for key in redis.scan_iter(match=pattern, count=PAGE):
            seen.add(_text(key))
            if len(seen) >= MOST_KEYS:
                return sorted(seen), False
    return sorted(seen), True


async def _immortal(redis: Redis, names: list[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(names), PAGE):
        page = names[start : start + PAGE]
        pipe = redis.pipeline(transaction=False)
        for name in page:
            pipe.ttl(name)
        found += [name for name, ttl in zip(page, await pipe.execute(), strict=True) if ttl == -1]
    return found


async def _workers(redis: Redis) -> list[dict[str, Any]]:
    """What the workers that are alive say of themselves."""
    alive = await redis.zrangebyscore(keys.WORKERS, time.time() - WORKER_ALIVE_SECONDS, "+inf")
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
