"""Runs the turn store's scripts, and where that is wished waits until replicas have what they wrote."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from redis.asyncio import Redis

from orchestrator.redis.commands import WiredScript, sender_for
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaStatusLog, ReplicaWait
from orchestrator.redis.scripts import lua

SCRIPTS = (
    "submit", "claim", "begin", "commit", "publish", "renew", "release", "reject", "rescue", "tell",
    "look", "discard", "ended_early", "hub_enter", "hub_watch", "hub_ripe", "hub_settle", "state_count", "state_delete",
)  # fmt: skip


class TurnScripts:
    """The scripts, each with `guard` around it. They raise `StoreUnavailable`."""

    def __init__(
        self, redis: Redis, guard: Callable[[], AbstractContextManager[None]], wait: ReplicaWait | None = None
    ) -> None:
        self.replicas = Replicas(redis, wait)
        self._news = ReplicaStatusLog()
        self._guard = guard
        self._command = sender_for(redis)
        self._scripts = {name: redis.register_script(lua(name)) for name in SCRIPTS}
        self._wired = {name: WiredScript(redis, lua(name)) for name in SCRIPTS}

    def __getitem__(self, name: str) -> Any:
        """The script itself, to be put into a pipeline."""
        return self._scripts[name]

    @property
    def are_confirmed(self) -> bool:
        """Whether replicas are waited for."""
        return self.replicas.wait is not None

    async def run(self, name: str, script_keys: list[str], args: list[Any]) -> Any:
        """What the script returns."""
        with self._guard(), store_errors():
            return await self._wired[name](script_keys, args)

    async def command(self, *arguments: Any) -> Any:
        """What Redis answers to a plain command."""
        with self._guard(), store_errors():
            return await self._command(*arguments)

    async def run_confirmed(self, name: str, script_keys: list[str], args: list[Any]) -> Any:
        """The same, once the replicas have confirmed it, if that is wished. Raises `StoreUnconfirmed`."""
        if not self.are_confirmed:
            return await self.run(name, script_keys, args)
        with self._guard(), self._news.watch(), store_errors():
            return await self.replicas.run(self._scripts[name], script_keys, args)
