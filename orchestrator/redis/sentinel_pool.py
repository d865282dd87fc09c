"""Connections to the master that Sentinels name, as long as these have a quorum."""

import contextlib
import time
from typing import Any

from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

from orchestrator.redis.pool import QueueingPool
from orchestrator.redis.sentinels import MasterSearch

ASK_AGAIN_SECONDS = 0.5
"""How often a pool in use asks the Sentinels for the master."""


class SentinelPool(SentinelConnectionPool, QueueingPool):
    """A `QueueingPool` for the master; closing it closes the connections to the Sentinels too.

    After a planned failover or a partition a former master may take writes for seconds, and they will be lost. So a
    pool in use asks the Sentinels twice a second, and leaves a master that they no longer name. It refuses a master
    that no Sentinel with a quorum has named lately: on the smaller side of a partition Redis still answers, but what
    is written there is lost.
    """

    _asked_at = 0.0

    def __init__(self, service: str, sentinels: Sentinel, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self._search = MasterSearch(sentinels, service)

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """Return a connection to the master. Raises `MasterNotFoundError` while no Sentinel can name it."""
        await self.check_master()
        return await super().get_connection(command_name, *keys, **options)

    async def check_master(self) -> None:
        """Ask the Sentinels again if it is time. Raise `MasterNotFoundError` if the master is not trusted any more."""
        if self.master_address is None:
            return
        now = time.monotonic()
        if now - self._asked_at > ASK_AGAIN_SECONDS:
            self._asked_at = now
            with contextlib.suppress(RedisError, OSError):  # a Sentinel or two may be down
                await self.get_master_address()
        if not self._search.is_trusted():
            raise self._search.refusal()

    async def get_master_address(self) -> Any:
        """Return the address of the master. If it has changed, close the idle connections to the former one.

        Raises `MasterNotFoundError`.
        """
        address = await self._search.master()
        if address != self.master_address:
            self.master_address = address
            await self.disconnect(inuse_connections=False)
        return address

    async def release(self, connection: Any) -> None:
        """Take a connection back. Close one to a former master: its next use connects to the current one."""
        try:
            if (connection.host, connection.port) != self.master_address:
                await connection.disconnect(nowait=True)
        finally:
            await super().release(connection)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close all connections, and those to the Sentinels; after a failover, only the idle ones to the master."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()
