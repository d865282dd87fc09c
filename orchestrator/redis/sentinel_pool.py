"""Connections to the master that Sentinels name, for as long as they may speak for it."""

import contextlib
import time
from typing import Any

from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

from orchestrator.redis.pool import QueueingPool
from orchestrator.redis.sentinels import MasterSearch

ASK_AGAIN_SECONDS = 0.5
"""How often a pool that is used asks the Sentinels who is the master."""


class SentinelPool(SentinelConnectionPool, QueueingPool):
    """A `QueueingPool` for the master; closing it closes the connections to the Sentinels too.

    Who was the master may go on believing it for seconds after a planned failover or a partition, and take writes that
    will be lost. So a pool in use asks the Sentinels twice a second, leaves a master that they no longer name, and
    refuses to work with one that no Sentinel with a quorum has named lately: on the smaller side of a partition
    everything goes on as before, and what is written there is lost.
    """

    _asked_at = 0.0

    def __init__(self, service: str, sentinels: Sentinel, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self._search = MasterSearch(sentinels, service)

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """A connection to the master. Raises `MasterNotFoundError` while nobody can say who that is."""
        if self.master_address is not None:
            now = time.monotonic()
            if now - self._asked_at > ASK_AGAIN_SECONDS:
                self._asked_at = now
                with contextlib.suppress(RedisError, OSError):  # a Sentinel or two may be away
                    await self.get_master_address()
            if not self._search.may_be_trusted():
                raise self._search.refusal()
        return await super().get_connection(command_name, *keys, **options)

    async def get_master_address(self) -> Any:
        """Where the master is. Connections that wait to be used are closed when it has moved. Raises
        `MasterNotFoundError`."""
        address = await self._search.master()
        if address != self.master_address:
            self.master_address = address
            await self.disconnect(inuse_connections=False)
        return address

    async def release(self, connection: Any) -> None:
        """Take a connection back; one to a former master is closed, and goes to the present one when it is used."""
        try:
            if (connection.host, connection.port) != self.master_address:
                await connection.disconnect(nowait=True)
        finally:
            await super().release(connection)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close connections: all, or (after a failover) the idle ones."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()
