"""Waits until replicas have confirmed a write, so that no failover to one of them undoes it."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError, ResponseError

from orchestrator.errors import StoreUnconfirmed
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import is_wrong_type, set_aside
from orchestrator.redis.script_call import ScriptCall
from orchestrator.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReplicaWait:
    """How many replicas must confirm a write before its outcome is published, and how long that may take.

    On a failover Redis loses what the new master has not received yet; what was confirmed is not lost.
    """

    replicas: int
    milliseconds: int = 100
    quiet_seconds: float = 5.0
    """For how long every write must be confirmed before the log says so: some masters of a cluster may, others not."""


def replica_wait(settings: Settings) -> ReplicaWait | None:
    """Return the wait that the settings ask for; None if a write need not be confirmed."""
    return ReplicaWait(settings.redis_wait_replicas, settings.redis_wait_ms) if settings.redis_wait_replicas else None


class Replicas:
    """The replicas of the servers behind `redis`. With `wait` None, no write waits for them."""

    def __init__(self, redis: Redis, wait: ReplicaWait | None) -> None:
        self.wait = wait
        self._redis = redis
        self._mark = keys.write_mark_beside if len(shards_of(redis)) > 1 else lambda _: keys.WRITE_MARK

    def confirm(self, pipe: Pipeline, key: str) -> None:
        """End `pipe` with a WAIT for the replicas, if the settings ask for one. `check` its answers.

        The WAIT covers everything that the server has written by then. In a cluster all commands of `pipe` must have
        the slot of `key`, as each master has replicas of its own.
        """
        if self.wait is not None:
            # WAIT covers the last write of its own connection and all writes before it: so this connection writes, too.
            pipe.set(self._mark(key), 1, ex=keys.MARK_SECONDS)
            pipe.execute_command("WAIT", self.wait.replicas, self.wait.milliseconds)

    def check(self, answers: Sequence[Any]) -> None:
        """Raise `StoreUnconfirmed` if too few replicas confirmed the pipeline that gave these `answers`."""
        if self.wait is not None and int(answers[-1]) < self.wait.replicas:
            raise StoreUnconfirmed(
                f"Only {answers[-1]} of {self.wait.replicas} replicas confirm within {self.wait.milliseconds} ms. "
                "Look at the replicas, or lower REDIS_WAIT_REPLICAS."
            )

    async def probe(self, key: str) -> None:
        """Write in the slot of `key`; raise `StoreUnconfirmed` if the replicas do not confirm it."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self.confirm(pipe, key)
            self.check(await pipe.execute())

    async def run(self, call: ScriptCall[T]) -> T:
        """Return the script's decoded reply once the replicas have confirmed its writes; still one round trip.

        Raises `StoreUnconfirmed` although the master has written it: repeat it, as after a lost answer.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            with suppress(NoScriptError):  # the server was restarted, or has just become the master
                return await self._on_sound_keys(pipe, call, call.by_hash())
            return await self._on_sound_keys(pipe, call, call.by_text())

    async def _on_sound_keys(self, pipe: Pipeline, call: ScriptCall[T], command: Sequence[Any]) -> T:
        """Run the script. If a key has the wrong type, rename it, unless another one was faster, and run it again."""
        try:
            return call.decode(await self._confirmed(pipe, call, command))
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
        await set_aside(self._redis.execute_command, call.keys)
        return call.decode(await self._confirmed(pipe, call, command))

    async def _confirmed(self, pipe: Pipeline, call: ScriptCall[T], command: Sequence[Any]) -> Any:
        pipe.execute_command(*command)
        self.confirm(pipe, call.keys[0])
        answers = await pipe.execute()
        self.check(answers)
        return answers[0]


class ReplicaStatusLog:
    """Logs once that replicas stopped confirming, and once that they have confirmed for `quiet_seconds`."""

    def __init__(self, quiet_seconds: float) -> None:
        self._quiet_seconds = quiet_seconds
        self._failed_at: float | None = None

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Observe the outcome of one confirmed write, which runs in this block."""
        try:
            yield
        except StoreUnconfirmed as error:
            if self._failed_at is None:
                logger.warning(
                    "Replicas of Redis do not confirm: %s Calls are held until they do.", error,
                    extra={"action": "redis.unconfirmed"},
                )  # fmt: skip
            self._failed_at = time.monotonic()
            raise
        else:
            if self._failed_at is not None and time.monotonic() - self._failed_at > self._quiet_seconds:
                self._failed_at = None
                logger.info("The replicas of Redis confirm again", extra={"action": "redis.confirmed"})
