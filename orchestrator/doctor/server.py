"""The judgement of one Redis server."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator import clock
from orchestrator.doctor.facts import ServerFacts
from orchestrator.doctor.finding import Finding

OLDEST_VERSION = (6, 2)
SLOW_MS = 5.0
VERY_SLOW_MS = 50.0
MOST_SKEW_SECONDS = 5.0
MOST_LAG_SECONDS = 2
"""A healthy replica reports its offset each second."""
MOST_MEMORY = 0.8
MEGABYTE = 1024 * 1024


def judge_server(server: ServerFacts, kind: str) -> Iterator[Finding]:
    """Yield the findings about a server in a deployment of that kind: standalone, sentinel or cluster."""
    yield _latency(server)
    if not server.info:
        return
    yield _version(server)
    yield _memory(server)
    yield _eviction(server)
    yield _persistence(server)
    yield from _replicas(server, kind)
    yield _clock(server)
    yield from _connections(server)


def _latency(server: ServerFacts) -> Finding:
    worst = max(server.pings_ms, default=0.0)
    said = f"A PING takes {server.median_ms:.2f} ms, the slowest of {len(server.pings_ms)} took {worst:.2f} ms."
    nearer = "Run Redis in the same region as web and workers, on a machine with CPU to spare; "
    nearer += "`redis-cli --latency` and `redis-cli slowlog get` tell more."
    if server.median_ms >= VERY_SLOW_MS:
        return Finding("latency", "problem", said, f"Every turn takes at least three of these. {nearer}")
    if server.median_ms >= SLOW_MS:
        return Finding("latency", "warning", said, nearer)
    return Finding("latency", "ok", said)


def _version(server: ServerFacts) -> Finding:
    if server.version < OLDEST_VERSION:
        return Finding(
            "version",
            "problem",
            f"This is {server.product}.",
            "Use Redis 6.2 or newer, or any Valkey: we need its Lua.",
        )
    return Finding("version", "ok", f"This is {server.product}.")


def _memory(server: ServerFacts) -> Finding:
    used = int(server.info.get("used_memory", 0))
    limit = int(server.info.get("maxmemory", 0)) or int(server.info.get("total_system_memory", 0))
    has_limit = int(server.info.get("maxmemory", 0)) > 0
    of = f" of {limit // MEGABYTE} MB" if limit else ""
    said = f"{used / MEGABYTE:.1f} MB{of} are used."
    if limit and used > MOST_MEMORY * limit:
        return Finding(
            "memory", "problem", said,
            "When it is full, new calls are refused. Raise maxmemory, or lower STATE_TTL_SECONDS.",
        )  # fmt: skip
    if not has_limit:
        return Finding(
            "memory", "note", f"{said} There is no maxmemory.",
            "Set maxmemory below what the machine has: else the system kills Redis when memory runs out.",
        )  # fmt: skip
    return Finding("memory", "ok", said)


def _eviction(server: ServerFacts) -> Finding:
    policy = str(server.info.get("maxmemory_policy", "unknown"))
    evicted = int(server.info.get("evicted_keys", 0))
    said = f"The eviction policy is {policy}." + (f" {evicted} keys were evicted." if evicted else "")
    if policy in ("noeviction", "unknown"):
        return Finding("eviction", "ok" if policy == "noeviction" else "note", said)
    return Finding(
        "eviction", "problem", said,
        "Set maxmemory-policy to noeviction: with any other, live calls vanish when memory runs short.",
    )  # fmt: skip


def _persistence(server: ServerFacts) -> Finding:
    info = server.info
    if int(info.get("aof_enabled", 0)):
        if str(info.get("aof_last_write_status", "ok")) != "ok":
            return Finding(
                "persistence",
                "problem",
                "The append-only file cannot be written.",
                "Look at the server's disk and log.",
            )
        return Finding("persistence", "ok", "The append-only file is on: a crash costs about a second at most.")
    if str(info.get("rdb_last_bgsave_status", "ok")) != "ok":
        return Finding("persistence", "problem", "The last snapshot failed.", "Look at the server's disk and log.")
    age = clock.now() - float(info.get("rdb_last_save_time", 0))
    unsaved = int(info.get("rdb_changes_since_last_save", 0))
    said = f"The append-only file is off; {unsaved} changes are in no snapshot, the last one is {age / 60:.0f} min old."
    return Finding(
        "persistence", "warning", said, "Set appendonly yes: else a restart of Redis takes running calls with it."
    )


def judge_confirmation(server: ServerFacts, wanted: int) -> Finding:
    """Yield the findings about `REDIS_WAIT_REPLICAS`: replicas enough to confirm, also after one is lost."""
    online = sum(int(replica.get("lag", 0)) <= MOST_LAG_SECONDS for replica in _online(server))
    said = f"REDIS_WAIT_REPLICAS is {wanted}, and {online or 'none'} {'is' if online <= 1 else 'are'} in touch."
    if online < wanted:
        return Finding(
            "replicas", "problem", said, "Start more, or lower it: until then every turn is held as in an outage."
        )
    if online == wanted:
        return Finding(
            "replicas",
            "warning",
            said,
            "Start one more: else calls are held from the loss of a server until it is back.",
        )
    return Finding("replicas", "ok", said)


def _online(server: ServerFacts) -> list[Mapping[str, Any]]:
    count = int(server.info.get("connected_slaves", 0))
    replicas = [server.info[f"slave{n}"] for n in range(count) if isinstance(server.info.get(f"slave{n}"), dict)]
    return [replica for replica in replicas if replica.get("state") == "online"]


def _replicas(server: ServerFacts, kind: str) -> Iterator[Finding]:
    info = server.info
    if info.get("role") == "slave" and kind == "cluster":
        yield _link(server)
        return
    if info.get("role") == "slave":
        yield Finding("replicas", "problem", "This server is a replica.", "Name the master, or name the Sentinels.")
        return
    count = int(info.get("connected_slaves", 0))
    online = _online(server)
    late = max((int(replica.get("lag", 0)) for replica in online), default=0)
    if kind == "standalone" and not count:
        yield Finding(
            "replicas", "note", "There is no replica.",
            "When this server dies, callers wait until it is back. Sentinels or a cluster fail over in seconds.",
        )  # fmt: skip
    elif not online:
        yield Finding(
            "replicas",
            "problem",
            "No replica is in touch.",
            "Start one: without it nothing can take the master's place.",
        )
    elif late > MOST_LAG_SECONDS:
        yield Finding(
            "replicas",
            "warning",
            f"A replica lags {late} s behind.",
            "Look at its network: a failover now loses as much.",
        )
    else:
        yield Finding("replicas", "ok", f"{len(online)} in touch, at most {late} s behind.")
        least = int(server.config.get("min-replicas-to-write", "0") or 0)
        if server.config and not least:
            yield Finding(
                "replicas", "note", "min-replicas-to-write is 0.",
                "Set it to 1 with min-replicas-max-lag 2: a master that was cut off stops taking what it will lose.",
            )  # fmt: skip


def _link(server: ServerFacts) -> Finding:
    master = f"{server.info.get('master_host', '?')}:{server.info.get('master_port', '?')}"
    if server.info.get("master_link_status") == "up":
        return Finding("replicas", "ok", f"It is a replica of {master}, and in touch with it.")
    return Finding(
        "replicas", "problem", f"It is a replica of {master}, and not in touch with it.",
        "Look at both logs: it cannot take over without loss what it does not have.",
    )  # fmt: skip


def _clock(server: ServerFacts) -> Finding:
    ahead = server.ahead_seconds
    said = f"Its clock is {abs(ahead):.2f} s {'ahead of' if ahead >= 0 else 'behind'} ours."
    if abs(ahead) > MOST_SKEW_SECONDS:
        return Finding(
            "clock", "warning", said,
            "Let NTP set both clocks. Leases go by the server's alone, but signs of life and ages seem wrong.",
        )  # fmt: skip
    return Finding("clock", "ok", said)


def _connections(server: ServerFacts) -> Iterator[Finding]:
    clients, most = int(server.info.get("connected_clients", 0)), int(server.info.get("maxclients", 0))
    if most and clients > 0.8 * most:
        yield Finding(
            "connections",
            "warning",
            f"{clients} of {most} connections are taken.",
            "Raise maxclients, before it refuses.",
        )
    if rejected := int(server.info.get("rejected_connections", 0)):
        yield Finding("connections", "warning", f"{rejected} connections were refused.", "Raise maxclients.")
