"""What is recorded of an order with an `Idempotency-Key`: the same key gets the same answer, from any ingress."""

import json
import time
from dataclasses import dataclass, replace
from typing import Protocol

RECORD_SECONDS = 24 * 3600
"""How long a record is kept after its key was claimed, or completed in Redis."""
MAX_IN_MEMORY = 10_000
ERASED_ANSWER = '["", "erased"]'
"""The answer of an order whose call was erased: it is not carried out again, and nobody learns which call it was."""


def names_call(answer: object, call_sid: str) -> bool:
    """True if the call stands in the answer of an order."""
    try:
        return isinstance(answer, str) and call_sid in json.loads(answer)
    except (ValueError, TypeError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The outcome of an order. `fingerprint` identifies the order's content, so that another order under the same key
    is recognised. `answer` is "" while the outcome is unknown."""

    fingerprint: str
    answer: str = ""


class IdempotencyStore(Protocol):
    """Keeps records for a day. Every method raises `StoreUnavailable`."""

    async def claim(self, key: str, fingerprint: str) -> IdempotencyRecord | None:
        """Claim the key. Return None if the order is the caller's to carry out, else the record of the earlier one."""

    async def complete(self, key: str, record: IdempotencyRecord) -> None:
        """Record the outcome of the order that claimed the key."""

    async def release(self, key: str) -> None:
        """Free the key: its order was not carried out."""

    async def erase(self, call_sid: str) -> int:
        """Replace the answers that name the call by `ERASED_ANSWER`. Return how many there were."""


class MemoryIdempotencyStore:
    """Records of one process."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[float, IdempotencyRecord]] = {}

    async def claim(self, key: str, fingerprint: str) -> IdempotencyRecord | None:
        """See `IdempotencyStore`."""
        self._remove_old()
        if found := self._records.get(key):
            return found[1]
        self._records[key] = (time.monotonic(), IdempotencyRecord(fingerprint))
        return None

    async def complete(self, key: str, record: IdempotencyRecord) -> None:
        """See `IdempotencyStore`."""
        claimed_at, _ = self._records.get(key, (time.monotonic(), record))
        self._records[key] = (claimed_at, record)

    async def release(self, key: str) -> None:
        """See `IdempotencyStore`."""
        self._records.pop(key, None)

    async def erase(self, call_sid: str) -> int:
        """See `IdempotencyStore`."""
        found = [key for key, (_, record) in self._records.items() if names_call(record.answer, call_sid)]
        for key in found:
            claimed_at, record = self._records[key]
            self._records[key] = (claimed_at, replace(record, answer=ERASED_ANSWER))
        return len(found)

    def _remove_old(self) -> None:
        """Remove expired records, and the oldest while there are too many. The dict is in the order of the claims."""
        limit = time.monotonic() - RECORD_SECONDS
        while self._records:
            key = next(iter(self._records))
            if len(self._records) < MAX_IN_MEMORY and self._records[key][0] >= limit:
                return
            del self._records[key]
