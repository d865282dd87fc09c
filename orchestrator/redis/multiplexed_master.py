"""Many commands at a time over one connection to the master that Sentinels name."""

from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.redis.multiplexed import MultiplexedConnection
from orchestrator.redis.pool import RetryFor
from orchestrator.redis.sentinel_pool import SentinelPool


class MultiplexedMaster(MultiplexedConnection):
    """A `MultiplexedConnection` that leaves a master which the Sentinels do not name any more.

    They are asked as often as the pool asks them. What still waits for the former master's answer is sent again, to its
    successor: what it wrote is lost. Commands are retried for as long as the pool's clients retry.
    """

    def __init__(self, pool: SentinelPool, **options: Any) -> None:
        retry: RetryFor = pool.connection_kwargs["retry"]
        super().__init__(pool, retry_seconds=retry.seconds, **options)
        self._sentinel_pool = pool

    async def execute(self, *arguments: Any, asking: bool = False) -> Any:
        """Return what the master answers. Raise `MasterNotFoundError` while no Sentinel with a quorum names one."""
        await self._leave_former_master()
        return await super().execute(*arguments, asking=asking)

    async def _leave_former_master(self) -> None:
        await self._sentinel_pool.check_master()
        pipeline = self._pipeline
        if pipeline is None or not pipeline.is_up:
            return
        if (pipeline.connection.host, pipeline.connection.port) != self._sentinel_pool.master_address:
            pipeline.close(RedisConnectionError("the Sentinels name another master"))

    async def _sent_over(self, pipeline: Any, packed: bytes, asking: bool) -> Any:
        try:
            return await super()._sent_over(pipeline, packed, asking)
        except ReadOnlyError as error:  # worth a retry, as a timeout is: the Sentinels will name its successor
            raise RedisConnectionError("The previous master is now a slave") from error
        except RedisTimeoutError as error:
            raise RedisConnectionError(str(error)) from error
