"""How the turn store reaches Redis: each command inside a guard, its errors translated, its writes confirmed."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.commands import sender_for
from orchestrator.redis.damage import is_wrong_type, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaStatusLog, ReplicaWait
from orchestrator.redis.script_call import ScriptCall
from orchestrator.redis.script_runner import ScriptRunner

T = TypeVar("T")


class StoreConnection:
    """Runs scripts and commands, with `guard` around each. All of them raise `StoreUnavailable`.

    With `wait`, what `run_confirmed` writes is confirmed by replicas before it returns. `scripts` raises what Redis
    raises, for callers that react to each kind of error.
    """

    def __init__(
        self, redis: Redis, guard: Callable[[], AbstractContextManager[None]], wait: ReplicaWait | None = None
    ) -> None:
        self.redis = redis
        self.cipher = cipher_of(redis)
        self.replicas = Replicas(redis, wait)
        self._status_log = ReplicaStatusLog(wait.quiet_seconds if wait else 0.0)
        self._guard = guard
        self._send = sender_for(redis)
        self.scripts = ScriptRunner(redis)

    @property
    def is_confirmed(self) -> bool:
        """True if `run_confirmed` waits for replicas."""
        return self.replicas.wait is not None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Guard a block and translate its errors: for reads that take a pipeline."""
        with self._guard(), store_errors():
            yield

    async def run(self, call: ScriptCall[T]) -> T:
        """Return the script's decoded reply."""
        with self._guard(), store_errors():
            return await self.scripts.run(call)

    def run_confirmed(self, call: ScriptCall[T]) -> Coroutine[Any, Any, T]:
        """Return the script's decoded reply once replicas have its writes. Raise `StoreUnconfirmed`, too."""
        return self._run_confirmed(call) if self.is_confirmed else self.run(call)

    async def _run_confirmed(self, call: ScriptCall[T]) -> T:
        with self._guard(), self._status_log.watch(), store_errors():
            return await self.replicas.run(call)

    async def run_all(self, calls: Sequence[ScriptCall[T]]) -> list[T]:
        """Return the decoded replies of many scripts, in one round trip.

        Those that the server does not know take a second round trip, together. A key of the wrong type costs only its
        own script another one.
        """
        with self._guard(), store_errors():
            replies = await self._pipelined([call.by_hash() for call in calls])
            unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                repeated = await self._pipelined([calls[place].by_text() for place in unknown])
                for place, reply in zip(unknown, repeated, strict=True):
                    replies[place] = reply
            return [await self._decoded(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def _pipelined(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the reply to each command, or the error that it got instead."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return list(await pipe.execute(raise_on_error=False))

    async def _decoded(self, call: ScriptCall[T], reply: Any) -> T:
        if not isinstance(reply, Exception):
            return call.decode(reply)
        if not is_wrong_type(reply):
            raise reply
        return await self.scripts.run(call)

    async def command(self, *arguments: Any) -> Any:
        """Return the answer to a plain command on one key, which is set aside first if it has the wrong type."""
        with self._guard(), store_errors():
            return await with_sound_keys(self.redis, arguments[1:2], lambda: self._send(*arguments))
