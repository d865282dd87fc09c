"""Idempotency records that all ingresses share."""

import json
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator.encryption.envelope import is_sealed
from orchestrator.errors import StoreUnavailable, StoreUnconfirmed, UnreadableSeal
from orchestrator.idempotency.store import ERASED_ANSWER, RECORD_SECONDS, IdempotencyRecord, names_call
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaWait
from orchestrator.redis.scanning import scan_keys


class RedisIdempotencyStore:
    """See `orchestrator.idempotency.store.IdempotencyStore`. With `wait`, no failover undoes a claim."""

    def __init__(self, redis: Redis, wait: ReplicaWait | None = None) -> None:
        self._redis = redis
        self._cipher = cipher_of(redis)
        self._replicas = Replicas(redis, wait)

    async def claim(self, key: str, fingerprint: str) -> IdempotencyRecord | None:
        """See `IdempotencyStore`. Raises `StoreUnconfirmed` too, with the key free again."""
        name = keys.idempotency_record(key)
        mine = self._sealed(name, {"fingerprint": fingerprint, "claim": uuid4().hex})

        async def take() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(name, mine, nx=True, ex=RECORD_SECONDS)
                pipe.get(name)
                self._replicas.confirm(pipe, name)
                return await pipe.execute()

        with store_errors():
            answers = await with_sound_keys(self._redis, [name], take)
        there = answers[1] or b""
        stored = there.encode() if isinstance(there, str) else there
        try:
            self._replicas.check(answers)
        except StoreUnconfirmed:
            if stored == mine:  # nothing was carried out under this claim: free the key for the next attempt
                await self.release(key)
            raise
        if stored == mine:
            return None
        return self._record(name, stored, fingerprint)

    async def complete(self, key: str, record: IdempotencyRecord) -> None:
        """See `IdempotencyStore`."""
        name = keys.idempotency_record(key)
        stored = self._sealed(name, {"fingerprint": record.fingerprint, "answer": record.answer})
        with store_errors():
            await self._redis.set(name, stored, ex=RECORD_SECONDS)

    async def release(self, key: str) -> None:
        """See `IdempotencyStore`."""
        with store_errors():
            await self._redis.delete(keys.idempotency_record(key))

    async def erase(self, call_sid: str) -> int:
        """See `IdempotencyStore`. The records are found by SCAN: nothing leads from a call to its order."""
        found = 0
        with store_errors():
            async for key in scan_keys(self._redis, keys.IDEMPOTENCY + "*"):
                found += await self._erase_from(text_of(key), call_sid)
        return found

    async def _erase_from(self, name: str, call_sid: str) -> int:
        """Have the record say that its call was erased: without one, a repeated order would dial again."""
        stored = await self._redis.get(name)
        text = stored.encode() if isinstance(stored, str) else stored or b""
        try:
            record = json.loads(self._cipher.open(name, text) if is_sealed(text) else text)
            names_it = names_call(record["answer"], call_sid)
        except (ValueError, KeyError, TypeError, RecursionError, UnreadableSeal):
            return 0
        if not names_it:
            return 0
        left = await self._redis.pttl(name)
        if left > 0:
            await self._redis.set(name, self._sealed(name, {**record, "answer": ERASED_ANSWER}), xx=True, px=left)
        return 1

    def _sealed(self, name: str, content: dict[str, str]) -> bytes:
        """Return the record as it is stored: an order's fingerprint would give away a number to whoever tries all."""
        return self._cipher.seal(name, json.dumps(content).encode())

    def _record(self, name: str, stored: bytes, fingerprint: str) -> IdempotencyRecord:
        try:
            return _read_record(self._cipher.open(name, stored), fingerprint)
        except UnreadableSeal as error:
            if error.is_key_missing:  # another ingress can say what became of the order
                raise StoreUnavailable(str(error)) from None
            return IdempotencyRecord(fingerprint)


def _read_record(text: bytes, fingerprint: str) -> IdempotencyRecord:
    """Return the record in `text`; where it cannot be read, one with an unknown outcome."""
    try:
        there = json.loads(text)
        found = IdempotencyRecord(there.get("fingerprint", fingerprint), there.get("answer", ""))
    except (ValueError, RecursionError, AttributeError):
        return IdempotencyRecord(fingerprint)
    if isinstance(found.fingerprint, str) and isinstance(found.answer, str):
        return found
    return IdempotencyRecord(fingerprint)
