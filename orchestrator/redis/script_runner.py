"""Runs Lua scripts on one Redis."""

from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from orchestrator.redis.commands import sender_for
from orchestrator.redis.damage import is_wrong_type, set_aside
from orchestrator.redis.script_call import ScriptCall

T = TypeVar("T")


class ScriptRunner:
    """Runs each script by its hash; a server that does not know the script yet is sent the text.

    If one of the script's keys has the wrong type, the key is renamed and the script run again: each script must be
    safe to repeat.
    """

    def __init__(self, redis: Redis) -> None:
        self._send = sender_for(redis)

    async def run(self, call: ScriptCall[T]) -> T:
        """Return the decoded reply. Raise what Redis raises."""
        try:
            reply = await self._send(*call.by_hash())
        except RedisError as error:
            reply = await self._repeat(call, error)
        return call.decode(reply)

    async def _repeat(self, call: ScriptCall[T], error: RedisError) -> Any:
        """Run the script again after an error that says why it did not run; else raise the error."""
        if isinstance(error, NoScriptError):
            try:
                return await self._send(*call.by_text())
            except RedisError as second:
                error = second
        if not is_wrong_type(error):
            raise error
        await set_aside(self._send, call.keys)  # perhaps another one was faster: run it again in any case
        return await self._send(*call.by_text())
