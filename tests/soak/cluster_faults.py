"""The faults of a deployment over a Redis Cluster: those of processes, and what befalls its nodes and slots."""

import asyncio

from soak.faults import Faults, Planned
from support.cluster import SLOTS
from support.cluster_deployment import ClusterDeployment
from support.servers import RedisServer
from support.waiting import wait_until

WEIGHTS = {
    "worker killed": 4, "worker rolled": 2, "worker frozen": 2, "web killed": 2, "web rolled": 2,
    "all cut": 4, "master killed": 2, "master frozen": 1, "replica killed": 1, "slots moved": 4,
}  # fmt: skip
WHOLE_SECONDS = 60.0
MOVED_SLOTS = 32


class ClusterFaults(Faults):
    """Each fault ends with the cluster whole again, so that the next one finds a replica for every master."""

    _deployment: ClusterDeployment

    def _calm(self) -> None:
        """No proxy to be calmed."""

    async def _to_network(self, fault: Planned) -> None:
        cluster = self._deployment.cluster
        masters = await asyncio.to_thread(cluster.master_nodes)
        slot = int(fault.whom * SLOTS)
        master = await asyncio.to_thread(cluster.owner, slot)
        match fault.kind:
            case "all cut":
                for node in masters:
                    await asyncio.to_thread(self._cut_all, node)
                return
            case "master killed":
                await asyncio.to_thread(master.kill)
                await asyncio.to_thread(cluster.wait_for_new_owner, slot, master)
                await asyncio.to_thread(master.start)
            case "master frozen":
                master.pause()
                await asyncio.sleep(2.5 + fault.seconds)  # longer than it takes to be given up
                master.resume()
            case "replica killed":
                replica = next(node for node in cluster.nodes if node not in masters)
                await asyncio.to_thread(replica.restart, kill=True)
            case "slots moved":
                target = next(node for node in masters if node is not master)
                for moved in range(slot, min(SLOTS, slot + MOVED_SLOTS)):
                    if await asyncio.to_thread(cluster.owner, moved) is not target:
                        await asyncio.to_thread(cluster.move, moved, target)
        await wait_until(lambda: asyncio.to_thread(cluster.is_whole), "the cluster is whole again", WHOLE_SECONDS)

    @staticmethod
    def _cut_all(node: RedisServer) -> None:
        with node.client() as client:
            for kind in ("pubsub", "normal"):
                client.execute_command("CLIENT KILL TYPE", kind)
