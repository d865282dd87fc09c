"""Runs the turn store's scripts, and where that is wished waits until replicas have what they wrote."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.hub import shards_of
from orchestrator.redis.scripts import lua
from orchestrator.redis.wire import WiredScript, command_of
from orchestrator.settings import Settings

SCRIPTS = (
    "submit", "claim", "commit", "say", "renew", "release", "reject", "rescue", "tell",
    "look", "hub_enter", "hub_watch", "hub_ripe", "hub_settle", "state_count",
)  # fmt: skip
MARK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ReplicaWait:
    """How many replicas must have confirmed a turn or a reply before anybody hears of it, and how long that may take.

    On a failover Redis loses what the new master has not got yet; what was confirmed is not lost.
    """

    replicas: int
    milliseconds: int = 100


def replica_wait(settings: Settings) -> ReplicaWait | None:
    """What the settings wish; None: the master alone will do."""
    return ReplicaWait(settings.redis_wait_replicas, settings.redis_wait_ms) if settings.redis_wait_replicas else None


class TurnScripts:
    """The scripts, each with `guard` around it. They raise `StoreUnavailable`."""

    def __init__(
        self, redis: Redis, guard: Callable[[], AbstractContextManager[None]], wait: ReplicaWait | None = None
    ) -> None:
        self.wait = wait
        self._mark = keys.write_mark_beside if len(shards_of(redis)) > 1 else lambda _: keys.WRITE_MARK
        self._redis = redis
        self._guard = guard
        self._command = command_of(redis)
        self._scripts = {name: redis.register_script(lua(name)) for name in SCRIPTS}
        self._wired = {name: WiredScript(redis, lua(name)) for name in SCRIPTS}

    def __getitem__(self, name: str) -> Any:
        """The script itself, to be put into a pipeline."""
        return self._scripts[name]

    async def run(self, name: str, script_keys: list[str], args: list[Any]) -> Any:
        """What the script returns."""
        with self._guard(), store_errors():
            return await self._wired[name](script_keys, args)

    async def command(self, *arguments: Any) -> Any:
        """What Redis answers to a plain command."""
        with self._guard(), store_errors():
            return await self._command(*arguments)

    async def run_confirmed(self, name: str, script_keys: list[str], args: list[Any]) -> Any:
        """The same, once the replicas have confirmed it; still one round trip.

        Too few of them in time is a `StoreUnavailable` though it is written: repeat it, as after a lost answer.
        """
        if self.wait is None:
            return await self.run(name, script_keys, args)
        script = self._scripts[name]
        with self._guard(), store_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                try:
                    return await self._confirmed(pipe, script.sha, script_keys, args)
                except NoScriptError:  # a server that was restarted, or has just become the master
                    await self._redis.script_load(script.script)
                    return await self._confirmed(pipe, script.sha, script_keys, args)

    async def _confirmed(self, pipe: Pipeline, sha: str, script_keys: list[str], args: list[Any]) -> Any:
        pipe.evalsha(sha, len(script_keys), *script_keys, *args)
        self.confirm(pipe, script_keys[0])
        answers = await pipe.execute()
        self.check(answers)
        return answers[0]

    def confirm(self, pipe: Pipeline, state_key: str) -> None:
        """Let `pipe`, at its end, wait for the replicas, if that is wished. `check` its answers.

        In a cluster it must be about the one call whose state has that key, as each master has replicas of its own.
        """
        if self.wait is not None:
            # WAIT covers what its own connection has written and all before it: so this one writes, too.
            pipe.set(self._mark(state_key), 1, ex=MARK_SECONDS)
            pipe.execute_command("WAIT", self.wait.replicas, self.wait.milliseconds)

    def check(self, answers: list[Any]) -> None:
        """Raise `StoreUnavailable` when too few replicas have confirmed the pipeline that answered so."""
        if self.wait is not None and int(answers[-1]) < self.wait.replicas:
            raise StoreUnavailable(
                f"Only {answers[-1]} of {self.wait.replicas} replicas confirm within {self.wait.milliseconds} ms. "
                "Look at the replicas, or lower REDIS_WAIT_REPLICAS."
            )
