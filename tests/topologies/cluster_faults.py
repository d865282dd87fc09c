"""What is done to a Redis Cluster while calls go on."""

import asyncio

from redis.crc import key_slot
from support.cluster import SLOTS, ClusterTopology
from support.servers import RedisServer

from orchestrator.redis import keys


async def kill_master(cluster: ClusterTopology) -> None:
    """Kill the master of a third of the slots; once its replica serves them, start it again: it becomes a replica."""
    slot = SLOTS // 2
    master = cluster.owner(slot)
    master.kill()
    await asyncio.to_thread(cluster.wait_for_new_owner, slot, master)
    master.start()


async def freeze_master(cluster: ClusterTopology) -> None:
    """Freeze a master until its replica has taken over, and let it go on."""
    slot = SLOTS // 2
    master = cluster.owner(slot)
    master.pause()
    await asyncio.to_thread(cluster.wait_for_new_owner, slot, master)
    await asyncio.sleep(1)
    master.resume()


async def move_slots(cluster: ClusterTopology) -> None:
    """Move the slots of all shards, and those of the callers' calls, each to another master."""
    await asyncio.to_thread(_move_slots, cluster)


def _move_slots(cluster: ClusterTopology) -> None:
    calls = [keys.state(f"CA1-{number}") for number in range(20)]
    for key in (*(shard.queue for shard in keys.SHARDS), *calls):
        slot = key_slot(key.encode())
        cluster.move(slot, _other_master(cluster, slot))


def _other_master(cluster: ClusterTopology, slot: int) -> RedisServer:
    owner = cluster.owner(slot)
    return next(node for node in cluster.master_nodes() if node is not owner)
