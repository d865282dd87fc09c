"""The same deployment over a Redis Cluster. No proxy: the nodes are hurt themselves."""

from typing import Any

from support.cluster import ClusterTopology
from support.deployment import Deployment
from support.servers import RedisServer


class ClusterDeployment(Deployment):
    """A `Deployment` over three masters with a replica each, which confirms each turn."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500", **options})

    @property
    def masters(self) -> list[RedisServer]:
        """The nodes that serve slots now."""
        return self.cluster.master_nodes()

    def _open_redis(self) -> str:
        self.cluster = ClusterTopology(replicas=1).__enter__()
        return self.cluster.url

    def _close_redis(self) -> None:
        self.cluster.close()
