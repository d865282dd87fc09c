"""The faults of a deployment over Sentinels: those of processes, and what befalls a master."""

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError
from soak.faults import Faults, Planned
from support.sentinel_deployment import SentinelDeployment
from support.servers import RedisServer
from support.waiting import wait_until

WEIGHTS = {
    "worker killed": 4, "worker rolled": 2, "worker frozen": 2, "web killed": 2, "web rolled": 2,
    "all cut": 4, "master killed": 2, "master frozen": 1, "replica killed": 1,
}  # fmt: skip
FAILOVER_SECONDS = 40.0
CALM_SECONDS = 3.0
"""Between two failovers. While the only replica is away no turn is confirmed, and who is held for more than a minute,
over several failovers in a row, is told so and hangs up: that is promised, and would hide what is not."""


class SentinelFaults(Faults):
    """Each failover ends with the former master back as a replica, so that the next one finds it."""

    _deployment: SentinelDeployment

    def _calm(self) -> None:
        """No proxy to be calmed."""

    async def _to_network(self, fault: Planned) -> None:
        sentinels = self._deployment.sentinels
        master = await asyncio.to_thread(sentinels.master)
        match fault.kind:
            case "all cut":
                await asyncio.to_thread(self._cut_all, master)
                return
            case "master killed":
                await asyncio.to_thread(master.kill)
                await self._succeeded(master)
                await asyncio.to_thread(master.start)
            case "master frozen":
                master.pause()
                await self._succeeded(master)
                await asyncio.sleep(fault.seconds)
                master.resume()
            case "replica killed":
                replica = next(server for server in sentinels.servers if server is not master)
                await asyncio.to_thread(replica.restart, kill=True)
        await wait_until(self._is_whole, "the master has its replicas again", FAILOVER_SECONDS)
        await asyncio.sleep(CALM_SECONDS)

    async def _succeeded(self, former: RedisServer) -> None:
        sentinels = self._deployment.sentinels
        await wait_until(
            lambda: _holds(lambda: sentinels.master() is not former), "another master is named", FAILOVER_SECONDS
        )

    async def _is_whole(self) -> bool:
        return await _holds(self._deployment.sentinels.is_whole)

    @staticmethod
    def _cut_all(master: RedisServer) -> None:
        with master.client() as client:
            for kind in ("pubsub", "normal"):
                client.execute_command("CLIENT KILL TYPE", kind)


async def _holds(question: Callable[[], bool]) -> bool:
    """Whether it does. In the middle of a failover nobody may be there to say."""
    try:
        return await asyncio.to_thread(question)
    except (RedisError, OSError, LookupError):
        return False
