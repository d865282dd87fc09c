"""The state manager of this process: the one that the settings name, or memory if Redis is down."""

import asyncio
import contextlib
import logging

from orchestrator.errors import BadSetting, StoreUnavailable
from orchestrator.settings import Settings, load_settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.loading import load_state_manager
from orchestrator.state.memory import InMemoryStateManager

logger = logging.getLogger(__name__)

START_SECONDS = 5.0
"""How long Redis may take to answer at the start of a process."""


class StateManagerFactory:
    """Builds state managers. Most code should call `get_state_manager`, which builds one and keeps it."""

    @classmethod
    async def create_state_manager(
        cls, settings: Settings | None = None, *, start_seconds: float = START_SECONDS
    ) -> StateManagerBase:
        """Return a new manager: the user's (`STATE_MANAGER`), one in Redis (`USE_REDIS`), or one in memory.

        If Redis does not answer within `start_seconds`, log a warning and return one in memory. Raise `BadSetting`.
        """
        settings = settings or load_settings()
        if settings.state_manager:
            return load_state_manager(settings.state_manager, settings)
        if settings.use_redis:
            return await cls._create_redis_manager(settings, start_seconds)
        return InMemoryStateManager(settings.state_ttl_seconds, ended_ttl_seconds=settings.ended_ttl)

    @classmethod
    async def _create_redis_manager(cls, settings: Settings, start_seconds: float) -> StateManagerBase:
        # Imported here: memory mode runs without the client library.
        from orchestrator.redis.connections import connect
        from orchestrator.redis.errors import explain, store_errors
        from orchestrator.state.redis.opening import open_states

        logger.info("Initializing Redis-backed state manager", extra={"action": "state.connecting"})
        client = connect(settings)
        memory = InMemoryStateManager(settings.state_ttl_seconds, ended_ttl_seconds=settings.ended_ttl)
        try:
            with store_errors():
                async with asyncio.timeout(start_seconds):
                    await client.execute_command("PING")  # type: ignore[no-untyped-call]
        except StoreUnavailable as error:
            with contextlib.suppress(Exception):
                await client.aclose()
            _warn(explain(error.__cause__ or error, settings.effective_redis_url()))
            return memory
        logger.info("Redis connection established", extra={"action": "state.connected"})
        manager = open_states(settings, client)
        if settings.redis_rollout_percent == 100:
            return manager
        from orchestrator.state.rollout import RolloutStateManager

        return RolloutStateManager(manager, memory, settings.redis_rollout_percent)


def _warn(reason: str) -> None:
    logger.warning(
        "Redis cannot be used: %s Falling back to memory: calls live in this process only and are lost when it "
        "stops. Correct it and restart.",
        reason,
        extra={"action": "state.fallback"},
    )


_building: asyncio.Task[StateManagerBase] | None = None


async def get_state_manager() -> StateManagerBase:
    """Return the one manager of this process. The first call builds it; concurrent calls get the same.

    Raise `BadSetting`; the next call tries again then.
    """
    global _building
    if _building is None or _building.get_loop() is not asyncio.get_running_loop():
        _building = asyncio.create_task(StateManagerFactory.create_state_manager(), name="state manager")
    task = _building
    try:
        # Shielded: if one of several waiting tasks is cancelled, the others still get the manager.
        return await asyncio.shield(task)
    finally:
        if task.done() and (task.cancelled() or task.exception()) and _building is task:
            _building = None


async def close_state_manager() -> None:
    """Close the manager of this process; the next `get_state_manager` builds another. May be called twice."""
    global _building
    task, _building = _building, None
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        return
    try:
        manager = await task
    except BadSetting:
        return
    await manager.close()
