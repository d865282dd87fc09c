"""Idempotency records that all ingresses share."""

import json
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator.errors import StoreUnconfirmed
from orchestrator.idempotency.store import RECORD_SECONDS, IdempotencyRecord
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaWait


class RedisIdempotencyStore:
    """See `orchestrator.idempotency.store.IdempotencyStore`. With `wait`, no failover undoes a claim."""

    def __init__(self, redis: Redis, wait: ReplicaWait | None = None) -> None:
        self._redis = redis
        self._replicas = Replicas(redis, wait)

    async def claim(self, key: str, fingerprint: str) -> IdempotencyRecord | None:
        """See `IdempotencyStore`. Raises `StoreUnconfirmed` too, with the key free again."""
        name = keys.idempotency_record(key)
        mine = json.dumps({"fingerprint": fingerprint, "claim": uuid4().hex})

        async def take() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(name, mine, nx=True, ex=RECORD_SECONDS)
                pipe.get(name)
                self._replicas.confirm(pipe, name)
                return await pipe.execute()

        with store_errors():
            answers = await with_sound_keys(self._redis, [name], take)
        text = text_of(answers[1] or b"")
        try:
            self._replicas.check(answers)
        except StoreUnconfirmed:
            if text == mine:  # nothing was carried out under this claim: free the key for the next attempt
                await self.release(key)
            raise
        if text == mine:
            return None
        return _record(text, fingerprint)

    async def complete(self, key: str, record: IdempotencyRecord) -> None:
        """See `IdempotencyStore`."""
        text = json.dumps({"fingerprint": record.fingerprint, "answer": record.answer})
        with store_errors():
            await self._redis.set(keys.idempotency_record(key), text, ex=RECORD_SECONDS)

    async def release(self, key: str) -> None:
        """See `IdempotencyStore`."""
        with store_errors():
            await self._redis.delete(keys.idempotency_record(key))


def _record(text: str, fingerprint: str) -> IdempotencyRecord:
    """Return the record in `text`; where it cannot be read, one with an unknown outcome."""
    try:
        there = json.loads(text)
        found = IdempotencyRecord(there.get("fingerprint", fingerprint), there.get("answer", ""))
    except (ValueError, RecursionError, AttributeError):
        return IdempotencyRecord(fingerprint)
    if isinstance(found.fingerprint, str) and isinstance(found.answer, str):
        return found
    return IdempotencyRecord(fingerprint)
