"""Receipts that all ingresses share."""

import json
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator.receipts import RECEIPT_SECONDS, Receipt
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors


class RedisReceipts:
    """See `orchestrator.receipts.Receipts`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, key: str, fingerprint: str) -> Receipt | None:
        """Take the key, or read what is there."""
        name, mine = keys.receipt(key), json.dumps({"fingerprint": fingerprint, "claim": uuid4().hex})
        with store_errors():
            if await self._redis.set(name, mine, nx=True, ex=RECEIPT_SECONDS):
                return None
            found = await self._redis.get(name)
        text = found.decode() if isinstance(found, bytes) else found
        if text == mine:  # the connection broke, and the command that was repeated met its own first try
            return None
        there = json.loads(text or "{}")  # expired between the two: the next try will have it
        return Receipt(there.get("fingerprint", fingerprint), there.get("answer", ""))

    async def keep(self, key: str, receipt: Receipt) -> None:
        """Write the answer over the claim."""
        text = json.dumps({"fingerprint": receipt.fingerprint, "answer": receipt.answer})
        with store_errors():
            await self._redis.set(keys.receipt(key), text, ex=RECEIPT_SECONDS)

    async def drop(self, key: str) -> None:
        """Free the key."""
        with store_errors():
            await self._redis.delete(keys.receipt(key))
