"""Receipts that all ingresses share."""

import json
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator.errors import StoreUnconfirmed
from orchestrator.receipts import RECEIPT_SECONDS, Receipt
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.replicas import Replicas, ReplicaWait


class RedisReceipts:
    """See `orchestrator.receipts.Receipts`. A claim is one that no failover undoes, if replicas are waited for."""

    def __init__(self, redis: Redis, wait: ReplicaWait | None = None) -> None:
        self._redis = redis
        self._replicas = Replicas(redis, wait)

    async def claim(self, key: str, fingerprint: str) -> Receipt | None:
        """Take the key, or read what is there."""
        name, mine = keys.receipt(key), json.dumps({"fingerprint": fingerprint, "claim": uuid4().hex})

        async def take() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(name, mine, nx=True, ex=RECEIPT_SECONDS)
                pipe.get(name)
                self._replicas.confirm(pipe, name)
                return await pipe.execute()

        with store_errors():
            answers = await with_sound_keys(self._redis, [name], take)
        text = text_of(answers[1] or b"")
        try:
            self._replicas.check(answers)
        except StoreUnconfirmed:
            if text == mine:  # nothing was done under it: the key is free for the next try
                await self.drop(key)
            raise
        if text == mine:
            return None
        return _receipt(text, fingerprint)

    async def keep(self, key: str, receipt: Receipt) -> None:
        """Write the answer over the claim."""
        text = json.dumps({"fingerprint": receipt.fingerprint, "answer": receipt.answer})
        with store_errors():
            await self._redis.set(keys.receipt(key), text, ex=RECEIPT_SECONDS)

    async def drop(self, key: str) -> None:
        """Free the key."""
        with store_errors():
            await self._redis.delete(keys.receipt(key))


def _receipt(text: str, fingerprint: str) -> Receipt:
    """The receipt in `text`; where there is none to be read, that of an order of which nobody knows what became."""
    try:
        there = json.loads(text)
        found = Receipt(there.get("fingerprint", fingerprint), there.get("answer", ""))
    except (ValueError, RecursionError, AttributeError):
        return Receipt(fingerprint)
    return found if isinstance(found.fingerprint, str) and isinstance(found.answer, str) else Receipt(fingerprint)
