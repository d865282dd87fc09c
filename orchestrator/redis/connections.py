"""The one place that builds Redis clients.

Every client has deadlines (a server that does not answer is an error after seconds), keeps its connections alive,
retries for a short time with backoff, and queues for a connection instead of raising when its pool is busy.
The retries repeat commands whose answer was lost: each command must be safe to repeat.
"""

import ssl
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.errors import BadSetting
from orchestrator.redis.cancel_safe import (
    AnyNodeConnection,
    AnyNodeTLSConnection,
    CancelSafeConnection,
    CancelSafeSentinelConnection,
    CancelSafeSentinelTLSConnection,
    CancelSafeTLSConnection,
    CancelSafeUnixConnection,
)
from orchestrator.redis.ciphers import attach_cipher
from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.pool import QueueingPool, RetryFor
from orchestrator.redis.sentinel_pool import SentinelPool
from orchestrator.settings import Settings
from orchestrator.settings.redis_url import RedisUrl, parse_redis_url

ClientType = TypeVar("ClientType", bound=Redis)


@dataclass(frozen=True, slots=True)
class ConnectionTimings:
    """How long a client waits, in seconds."""

    answer: float = 2.0
    """For a server to answer a command that does not block."""
    connect: float = 1.0
    """For a server to accept a connection."""
    queue: float = 5.0
    """For a free connection of the pool."""
    retry: float = 1.0
    """After its first failure, while a command is retried: enough for a server's restart."""
    failover: float = 4.0
    """The same with Sentinels and in a cluster: enough for a failover."""


TIMINGS = ConnectionTimings()
_HEALTH_CHECK_SECONDS = 15
_SENTINEL_SECONDS = 0.5


@overload
def connect(
    settings: Settings,
    *,
    decode_responses: bool = ...,
    max_connections: int = ...,
    block_seconds: float | None = ...,
    timings: ConnectionTimings = ...,
) -> Redis: ...


@overload
def connect(
    settings: Settings,
    *,
    redis_class: type[ClientType],
    decode_responses: bool = ...,
    max_connections: int = ...,
    block_seconds: float | None = ...,
    timings: ConnectionTimings = ...,
) -> ClientType: ...


def connect(
    settings: Settings,
    *,
    redis_class: type[Redis] = Redis,
    decode_responses: bool = False,
    max_connections: int = 50,
    block_seconds: float | None = None,
    timings: ConnectionTimings = TIMINGS,
) -> Redis:
    """Return a client for the Redis of `settings`; it connects when it is first used, and owns its pool.

    With `block_seconds`, the client is for blocking commands and pub/sub: a single answer may take that long (and a
    little more), and nothing is retried, because an element that was popped is lost with the answer.
    Raises `BadSetting`.
    """
    pool = connection_pool(
        settings,
        decode_responses=decode_responses,
        max_connections=max_connections,
        block_seconds=block_seconds,
        timings=timings,
    )
    return redis_class.from_pool(pool)


def connection_pool(
    settings: Settings,
    *,
    decode_responses: bool = False,
    max_connections: int = 50,
    block_seconds: float | None = None,
    timings: ConnectionTimings = TIMINGS,
) -> ConnectionPool:
    """Return the pool of `connect`, for clients that take a pool (`ArqRedis(pool_or_conn=…)`). Raises `BadSetting`."""
    pool = _pool(settings, decode_responses, max_connections, block_seconds, timings)
    attach_cipher(pool, settings)
    return pool


def _pool(
    settings: Settings,
    decode_responses: bool,
    max_connections: int,
    block_seconds: float | None,
    timings: ConnectionTimings,
) -> ConnectionPool:
    url = parsed_url(settings)
    options: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "db": url.db,
        "decode_responses": decode_responses,
        "max_connections": max_connections,
        "queue_seconds": timings.queue,
        "socket_timeout": timings.answer + (block_seconds or 0),
        "socket_connect_timeout": timings.connect,
        "health_check_interval": _HEALTH_CHECK_SECONDS,
        "lib_name": None,  # else each connection begins with a CLIENT SETINFO, which Redis 6.2 and 7.0 do not know
        "lib_version": None,
    }
    retry_seconds = timings.failover if url.is_cluster or url.is_sentinel else timings.retry
    if block_seconds is not None:
        retry_seconds = 0.0
    if url.is_cluster:
        return _cluster_pool(url, settings, options, retry_seconds)
    options |= _retries(url, retry_seconds)
    if url.scheme == "unix":
        return QueueingPool(connection_class=CancelSafeUnixConnection, path=url.path, **options)
    options |= {"socket_keepalive": True, **_tls_options(url, settings)}
    if url.is_sentinel:
        sentinel = _sentinel(url, settings)
        options["connection_class"] = CancelSafeSentinelTLSConnection if url.is_tls else CancelSafeSentinelConnection
        return SentinelPool(url.service, sentinel, **options)
    host, port = url.hosts[0]
    connection_class = CancelSafeTLSConnection if url.is_tls else CancelSafeConnection
    return QueueingPool(connection_class=connection_class, host=host, port=port, **options)


def parsed_url(settings: Settings) -> RedisUrl:
    """Return the parts of the URL in the settings. Raises `BadSetting` for one that cannot be used."""
    try:
        return parse_redis_url(settings.effective_redis_url())
    except ValueError as error:
        raise BadSetting(f"REDIS_URL {error}.") from None


def _cluster_pool(url: RedisUrl, settings: Settings, options: dict[str, Any], retry_seconds: float) -> ClusterPool:
    return ClusterPool(
        url.hosts,
        connection_class=CancelSafeTLSConnection if url.is_tls else CancelSafeConnection,
        any_node_class=AnyNodeTLSConnection if url.is_tls else AnyNodeConnection,
        retry_seconds=retry_seconds,
        socket_keepalive=True,
        **options,
        **_tls_options(url, settings),
    )


def _retries(url: RedisUrl, seconds: float) -> dict[str, Any]:
    """Return redis-py's options for retries: `retry` for a connection, `retry_on_error` for a whole command."""
    errors: tuple[type[Exception], ...] = (RedisConnectionError, RedisTimeoutError)
    if not seconds:
        return {"retry": RetryFor(0, errors)}
    if not url.is_sentinel:
        errors += (OSError,)
    # Without OSError behind Sentinels: it would be retried at the dead master's address before the Sentinels are asked
    # (a failover took 9.6 s instead of 2.3 s).
    return {"retry": RetryFor(seconds, errors), "retry_on_error": list(errors)}


def _sentinel(url: RedisUrl, settings: Settings) -> Sentinel:
    options = {
        "username": url.options.get("sentinel_username") or None,
        "password": url.options.get("sentinel_password") or None,
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        "ssl": url.is_tls,
        **_tls_options(url, settings),
    }
    return Sentinel(list(url.hosts), sentinel_kwargs=options)  # type: ignore[no-untyped-call]


def _tls_options(url: RedisUrl, settings: Settings) -> dict[str, Any]:
    if not url.is_tls:
        return {}
    requirement = url.options.get("ssl_cert_reqs") or "required"
    return {
        "ssl_cert_reqs": requirement,
        "ssl_check_hostname": requirement == "required",
        "ssl_ca_certs": settings.redis_ca_file,
        "ssl_certfile": settings.redis_cert_file,
        "ssl_keyfile": settings.redis_key_file,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
