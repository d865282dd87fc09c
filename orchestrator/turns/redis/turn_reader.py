"""Reads what Redis knows of turns, without changing anything of theirs."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from orchestrator import clock
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.encryption.envelope import is_sealed
from orchestrator.errors import StoreUnavailable, UnreadableSeal, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.redis.entries import RECORDED, WAITING, Entries
from orchestrator.turns.redis.state_writer import StateWriter
from orchestrator.turns.store import Found, Waiting

logger = logging.getLogger(__name__)

LISTENING_SECONDS = 120
MOST_READS = 16
"""How many turns of a cluster are read at a time."""


class TurnReader:
    """Finds turns and their results. `listener` is the channel on which the reader waits for them, or ""."""

    def __init__(self, connection: StoreConnection, states: StateWriter, listener: str) -> None:
        self._connection = connection
        self._states = states
        self._entries = Entries(connection.cipher)
        self._listener = listener
        self._is_cluster = len(shards_of(connection.redis)) > 1

    async def find(self, call_sid: str, turn_id: str) -> Found:
        """Read what is known of a turn, and listen to its call from now on."""
        return (await self._read([(call_sid, turn_id)], listening=bool(self._listener)))[0]

    async def find_many(self, turns: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        """Read many (call SID, turn id) at once. Those whose node of a cluster does not answer are left out."""
        if not self._is_cluster:
            return dict(zip(turns, await self._read(turns), strict=True))
        room, found = asyncio.Semaphore(MOST_READS), {}

        async def read(turn: tuple[str, str]) -> None:
            async with room:
                found[turn] = (await self._read([turn]))[0]

        errors = await asyncio.gather(*map(read, turns), return_exceptions=True)
        for error in filter(None, errors):
            if not found or not isinstance(error, StoreUnavailable):
                raise error
        return found

    async def waiting(self, call_sid: str) -> list[str]:
        """Read the ids of the call's waiting turns, in order."""
        call, redis = keys.call(call_sid), self._connection.redis

        async def read() -> list[bytes]:
            found: list[bytes] = await redis.lrange(call.inbox, 0, -1)  # type: ignore[misc]
            return found

        with self._connection.guarded():
            return [text_of(turn_id) for turn_id in await with_sound_keys(redis, call.all, read)]

    async def result(self, call_sid: str, turn_id: str, text: bytes) -> TurnResult | None:
        """Return the recorded result in `text`; if that cannot be read, the state's, or else an apology.

        None if this process lacks its key: whoever waits for it goes on waiting.
        """
        try:
            return self._entries.result(call_sid, turn_id, text) or await self._instead(call_sid, turn_id)
        except UnreadableSeal:
            return None

    async def _instead(self, call_sid: str, turn_id: str) -> TurnResult:
        """Return the result in the state, or an apology. Raise `UnreadableSeal` if a key is missing."""
        logger.error(
            "The recorded result of a turn cannot be read; the state is read instead",
            extra={"action": "turn.unreadable", "call_sid": call_sid, "turn_id": turn_id},
        )
        try:
            state = await self._states.load(call_sid)
        except UnreadableState as error:
            if isinstance(error, UnreadableSeal) and error.is_key_missing:
                raise
            state = None
        record = state and state.record_of(turn_id)
        if record:
            return record.result(call_sid)
        return TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="failed", reply=Reply(text=outcomes.APOLOGY))

    async def _read(self, turns: Sequence[tuple[str, str]], *, listening: bool = False) -> list[Found]:
        connection = self._connection

        async def read() -> list[Any]:
            async with connection.redis.pipeline(transaction=False) as pipe:
                if listening:  # whoever asks for a turn waits for it
                    listeners = keys.call(turns[0][0]).listeners
                    pipe.zadd(listeners, {self._listener: (clock.now() + LISTENING_SECONDS) * 1000})
                    pipe.expire(listeners, LISTENING_SECONDS)
                for call_sid, turn_id in turns:
                    pipe.hget(keys.call(call_sid).turns, turn_id)
                connection.replicas.confirm(pipe, keys.state(turns[0][0]))
                return await pipe.execute()

        calls = [keys.call(call_sid) for call_sid, _ in turns]
        with connection.guarded():
            answers = await with_sound_keys(connection.redis, [key for call in calls for key in call.all], read)
            connection.replicas.check(answers)
        first = 2 if listening else 0
        entries = zip(turns, answers[first : first + len(turns)], strict=True)
        return [await self._found(*turn, entry) for turn, entry in entries]

    async def _found(self, call_sid: str, turn_id: str, entry: bytes | None) -> Found:
        if not entry:
            return None
        if entry.startswith(RECORDED):
            return await self.result(call_sid, turn_id, entry[1:]) or Waiting(b"")
        return self._waiting(call_sid, turn_id, entry[1:]) if entry.startswith(WAITING) else None

    def _waiting(self, call_sid: str, turn_id: str, body: bytes) -> Waiting:
        if not is_sealed(body):
            return Waiting(body)
        try:
            turn = self._entries.waiting_turn(call_sid, turn_id, body)
        except UnreadableSeal:
            turn = None
        return Waiting(b"" if turn is None else turn.model_dump_json())
