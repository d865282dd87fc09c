"""Erases what Redis has of a call's turns."""

from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.redis.scripts import delete_state
from orchestrator.turns.redis.admissions import Admissions
from orchestrator.turns.redis.call_queue import CallQueue
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.tombstone import TOMBSTONE_SECONDS, fingerprint


class Erasure:
    """Erases calls, and remembers for a day which. `secret` is what all ingresses of a deployment have in common."""

    def __init__(
        self,
        connection: StoreConnection,
        call_queue: CallQueue,
        dead_letters: RedisDeadLetters,
        admissions: Admissions,
        secret: bytes,
    ) -> None:
        self._connection = connection
        self._call_queue = call_queue
        self._dead_letters = dead_letters
        self._admissions = admissions
        self._secret = secret

    async def erase(self, call_sid: str) -> None:
        """Erase the call's keys and dead letters.

        The tombstone comes first: a webhook that arrives in between finds it. The lease keeps its epoch for a while, so
        that a worker that still runs the call cannot write into one that begins under its SID.
        """
        await self._connection.command("SET", self._tombstone(call_sid), "1", "EX", TOMBSTONE_SECONDS)
        await self._admissions.give_back(call_sid)
        await self._connection.run(delete_state(call_sid=call_sid, shard=self._call_queue.shard_with(call_sid)))
        await self._call_queue.call_ended(call_sid)
        await self._dead_letters.erase(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        """True if the call was erased within the last day."""
        return bool(await self._connection.command("EXISTS", self._tombstone(call_sid)))

    def _tombstone(self, call_sid: str) -> str:
        return keys.tombstone(fingerprint(self._secret, call_sid))
