"""Print the table of docs/redis.md: `PYTHONPATH=tests .venv/bin/python -m topologies [NAME …]`."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from support.cluster import ClusterTopology
from support.sentinels import SentinelTopology
from support.servers import RedisServer
from topologies.cluster_faults import freeze_master, kill_master, move_slots
from topologies.failover import Outcome, survive
from topologies.faults import cut_off, fail_over, kill_and_bring_back, killed_while_behind

Run = Callable[[], Awaitable[Outcome]]
HEADING = "| what was done | callers waited: median | worst | without a fault | turns | lost | changed once heard |"
MIN_REPLICAS = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
WAITING = {"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500"}


async def one_server_killed() -> Outcome:
    """One server, append-only file; killed, started again after 1 s"""
    with RedisServer("--appendonly", "yes") as server:

        async def hurt() -> None:
            server.kill()
            await asyncio.sleep(1)
            server.start()

        return await survive(server.url, hurt)


def over_sentinels(
    name: str,
    hurt: Callable[[SentinelTopology], Awaitable[None]],
    *,
    replicas: int = 1,
    options: tuple[str, ...] = (),
    **settings: str,
) -> Run:
    """A run over Sentinels, named so in the table."""

    async def run() -> Outcome:
        with SentinelTopology(password="pass", replicas=replicas, options=options) as topology:
            return await survive(topology.url, lambda: hurt(topology), **settings)

    run.__doc__ = name
    return run


def over_cluster(name: str, hurt: Callable[[ClusterTopology], Awaitable[None]], **settings: str) -> Run:
    """A run over a cluster of three masters with a replica each, named so in the table."""

    async def run() -> Outcome:
        with ClusterTopology(password="pass", replicas=1) as topology:
            return await survive(topology.url, lambda: hurt(topology), **settings)

    run.__doc__ = name
    return run


RUNS: dict[str, Run] = {
    "server": one_server_killed,
    "kill": over_sentinels("Sentinel; master killed", kill_and_bring_back),
    "freeze": over_sentinels("Sentinel; master frozen until another is named, then it goes on", cut_off),
    "planned": over_sentinels("Sentinel; planned failover, the old master goes on", fail_over),
    "behind": over_sentinels("Sentinel; replica's link cut for 0.4 s, then master killed", killed_while_behind),
    "kill-wait": over_sentinels(
        "`REDIS_WAIT_REPLICAS=1`, 2 replicas; killed", kill_and_bring_back, replicas=2, **WAITING
    ),
    "planned-wait": over_sentinels("`REDIS_WAIT_REPLICAS=1`, 1 replica; planned failover", fail_over, **WAITING),
    "behind-wait": over_sentinels(
        "`REDIS_WAIT_REPLICAS=1`, 1 replica; cut, then killed", killed_while_behind, **WAITING
    ),
    "kill-min": over_sentinels(
        "`min-replicas-to-write 1`, 2 replicas; killed", kill_and_bring_back, replicas=2, options=MIN_REPLICAS
    ),
    "planned-min": over_sentinels(
        "`min-replicas-to-write 1`, 2 replicas; planned failover", fail_over, replicas=2, options=MIN_REPLICAS
    ),
    "cluster-kill": over_cluster("Cluster; one of three masters killed", kill_master),
    "cluster-freeze": over_cluster("Cluster; master frozen until its replica has taken over", freeze_master),
    "cluster-freeze-wait": over_cluster("Cluster, `REDIS_WAIT_REPLICAS=1`; master frozen", freeze_master, **WAITING),
    "cluster-move": over_cluster("Cluster; slots of all shards and calls moved", move_slots),
}


async def main(names: list[str]) -> None:
    """Run each and print its row as it comes."""
    print(HEADING)  # noqa: T201
    print("|---|---|---|---|---|---|---|", flush=True)  # noqa: T201
    for name in names or RUNS:
        run, began = RUNS[name], time.monotonic()
        row = await run()
        seconds = (row.median_seconds, row.worst_seconds, row.calm_seconds)
        cells = [f"{value:.2f} s" for value in seconds]
        trouble = [*row.exits, *row.disordered, *(["unanswered"] * row.unanswered)]
        counts = [row.turns, len(row.lost), len(row.changed)]
        print("|", " | ".join([str(run.__doc__), *cells, *map(str, counts)]), "|", *trouble, flush=True)  # noqa: T201
        print(f"{name}: {time.monotonic() - began:.0f} s, {row.affected} turns affected", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
