"""Receipts for orders that must not be carried out twice: the same key gets the same answer, from any ingress."""

import time
from dataclasses import dataclass
from typing import Protocol

RECEIPT_SECONDS = 24 * 3600
MOST_IN_MEMORY = 10_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an order. `fingerprint` tells it from another under the same key; `answer` is "" as long
    as nobody knows how it came out."""

    fingerprint: str
    answer: str = ""


class Receipts(Protocol):
    """Keeps receipts for a day. Every method raises `StoreUnavailable`."""

    async def claim(self, key: str, fingerprint: str) -> Receipt | None:
        """None: the order is yours to carry out. Else the receipt of the one before."""

    async def keep(self, key: str, receipt: Receipt) -> None:
        """Note how it came out."""

    async def drop(self, key: str) -> None:
        """It was not carried out: the key may be used again."""


class MemoryReceipts:
    """Receipts of one process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Receipt]] = {}

    async def claim(self, key: str, fingerprint: str) -> Receipt | None:
        """See `Receipts`."""
        self._drop_old()
        if found := self._kept.get(key):
            return found[1]
        self._kept[key] = (time.monotonic(), Receipt(fingerprint))
        return None

    async def keep(self, key: str, receipt: Receipt) -> None:
        """See `Receipts`."""
        since, _ = self._kept.get(key, (time.monotonic(), receipt))
        self._kept[key] = (since, receipt)

    async def drop(self, key: str) -> None:
        """See `Receipts`."""
        self._kept.pop(key, None)

    def _drop_old(self) -> None:
        """The oldest stand first: who is kept again stays in his place."""
        limit = time.monotonic() - RECEIPT_SECONDS
        while self._kept:
            key = next(iter(self._kept))
            if len(self._kept) < MOST_IN_MEMORY and self._kept[key][0] >= limit:
                return
            del self._kept[key]
