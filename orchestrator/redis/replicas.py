"""Waiting until replicas have what was written: what they have confirmed, no failover to one of them undoes."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, ResponseError

from orchestrator.errors import StoreUnconfirmed
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import is_wrong_type, set_aside
from orchestrator.settings import Settings

logger = logging.getLogger(__name__)

QUIET_SECONDS = 5.0
"""So long all must be confirmed before it is said that they are again: the masters of a cluster differ."""


@dataclass(frozen=True, slots=True)
class ReplicaWait:
    """How many replicas must have confirmed what is written before anybody hears of it, and how long that may take.

    On a failover Redis loses what the new master has not got yet; what was confirmed is not lost.
    """

    replicas: int
    milliseconds: int = 100


def replica_wait(settings: Settings) -> ReplicaWait | None:
    """What the settings wish; None: the master alone will do."""
    return ReplicaWait(settings.redis_wait_replicas, settings.redis_wait_ms) if settings.redis_wait_replicas else None


class Replicas:
    """Those of the servers behind `redis`. With `wait` None nobody is waited for."""

    def __init__(self, redis: Redis, wait: ReplicaWait | None) -> None:
        self.wait = wait
        self._redis = redis
        self._mark = keys.write_mark_beside if len(shards_of(redis)) > 1 else lambda _: keys.WRITE_MARK

    def confirm(self, pipe: Pipeline, key: str) -> None:
        """Let `pipe`, at its end, wait for the replicas, if that is wished. `check` its answers.

        It covers all that its server has by then, read or written. In a cluster it must be about one slot, which is
        that of `key`, as each master has replicas of its own.
        """
        if self.wait is not None:
            # WAIT covers what its own connection has written and all before it: so this one writes, too.
            pipe.set(self._mark(key), 1, ex=keys.MARK_SECONDS)
            pipe.execute_command("WAIT", self.wait.replicas, self.wait.milliseconds)

    def check(self, answers: Sequence[Any]) -> None:
        """Raise `StoreUnconfirmed` when too few replicas have confirmed the pipeline that answered so."""
        if self.wait is not None and int(answers[-1]) < self.wait.replicas:
            raise StoreUnconfirmed(
                f"Only {answers[-1]} of {self.wait.replicas} replicas confirm within {self.wait.milliseconds} ms. "
                "Look at the replicas, or lower REDIS_WAIT_REPLICAS."
            )

    async def probe(self, key: str) -> None:
        """Raise `StoreUnconfirmed` if what is written beside `key` now is not confirmed."""
        async with self._redis.pipeline(transaction=False) as pipe:
            self.confirm(pipe, key)
            self.check(await pipe.execute())

    async def run(self, script: AsyncScript, script_keys: Sequence[str], args: Sequence[Any]) -> Any:
        """What the script returns, once the replicas have confirmed it; still one round trip.

        Raises `StoreUnconfirmed` though it is written: repeat it, as after a lost answer.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            try:
                return await self._confirmed(pipe, script.sha, script_keys, args)
            except NoScriptError:  # a server that was restarted, or has just become the master
                await self._redis.script_load(script.script)
            except ResponseError as error:
                if not is_wrong_type(error) or not await set_aside(self._redis.execute_command, script_keys):
                    raise
            return await self._confirmed(pipe, script.sha, script_keys, args)

    async def _confirmed(self, pipe: Pipeline, sha: str, script_keys: Sequence[str], args: Sequence[Any]) -> Any:
        pipe.evalsha(sha, len(script_keys), *script_keys, *args)
        self.confirm(pipe, script_keys[0])
        answers = await pipe.execute()
        self.check(answers)
        return answers[0]


class ReplicaStatusLog:
    """Says in the log, once each, that replicas do not confirm and that they do again."""

    def __init__(self) -> None:
        self._failed_at: float | None = None

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Around what is to be confirmed."""
        try:
            yield
        except StoreUnconfirmed as error:
            if self._failed_at is None:
                logger.warning(
                    "Redis answers without its replicas: %s Until they confirm, calls are held.", error,
                    extra={"action": "redis.unconfirmed"},
                )  # fmt: skip
            self._failed_at = time.monotonic()
            raise
        else:
            if self._failed_at is not None and time.monotonic() - self._failed_at > QUIET_SECONDS:
                self._failed_at = None
                logger.info("The replicas of Redis confirm again", extra={"action": "redis.confirmed"})
