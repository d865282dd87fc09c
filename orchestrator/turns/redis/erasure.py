"""Erases what Redis has of a call's turns."""

from redis.asyncio import Redis

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.redis import keys
from orchestrator.turns.redis.call_queue import CallQueue
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.scripts import TurnScripts
from orchestrator.turns.tombstone import TOMBSTONE_SECONDS, fingerprint


class RedisErasure:
    """That part of `RedisTurnStore`. `secret` is what all ingresses of a deployment have in common."""

    def __init__(self, redis: Redis, scripts: TurnScripts, call_queue: CallQueue, secret: bytes) -> None:
        self._scripts = scripts
        self._call_queue = call_queue
        self._secret = secret
        self.dead_letters = RedisDeadLetters(redis)

    async def erase(self, call_sid: str) -> None:
        """The tombstone comes first: whoever comes in between finds it. Of the lease the epoch stays for a while, so
        that who still works on the call cannot write into one that begins under its name."""
        call = keys.call(checked_call_sid(call_sid))
        await self._scripts.command("SET", self._tombstone(call_sid), "1", "EX", TOMBSTONE_SECONDS)
        own = [call.state, call.inbox, call.turns, call.listeners, call.lease]
        await self._scripts.run("state_delete", [*own, *self._call_queue.script_keys(call_sid)[:2]], [call_sid])
        await self._call_queue.call_ended(call_sid)
        await self.dead_letters.erase(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        """Whether the call was erased within the last day."""
        return bool(await self._scripts.command("EXISTS", self._tombstone(call_sid)))

    def _tombstone(self, call_sid: str) -> str:
        return keys.tombstone(fingerprint(self._secret, call_sid))
