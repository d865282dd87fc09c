"""The same deployment over a master, a replica and three Sentinels. No proxy: the servers are hurt themselves."""

from typing import Any

from support.deployment import Deployment
from support.sentinels import SentinelTopology
from support.servers import RedisServer


class SentinelDeployment(Deployment):
    """A `Deployment` whose `redis` is the present master.

    The replica confirms each turn: without that, a master that is frozen and goes on takes writes that are lost.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "500", **options})

    @property
    def redis(self) -> RedisServer:
        """The server that the Sentinels name."""
        return self.sentinels.master()

    def _open_redis(self) -> str:
        self.sentinels = SentinelTopology().__enter__()
        return self.sentinels.url

    def _close_redis(self) -> None:
        self.sentinels.__exit__(None, None, None)
