"""The keys that a process lacks: under which something was encrypted that it was to read."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from orchestrator.errors import EncryptionKeyMissing

logger = logging.getLogger(__name__)

LOG_AGAIN_SECONDS = 60.0
MOST_REMEMBERED = 20
"""Others can write to Redis: an envelope may name any key."""


class MissingKeys:
    """Logs each missing key once a minute, however much lies under it, and remembers which were missed lately."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._logged_at: OrderedDict[str, float] = OrderedDict()
        self._found_at: dict[str, float] = {}

    def found(self, key_id: str) -> EncryptionKeyMissing:
        """Note that something lies under the key with this id. Return what to raise."""
        now = self._monotonic()
        self._found_at[key_id] = now
        if now - self._logged_at.get(key_id, -LOG_AGAIN_SECONDS) >= LOG_AGAIN_SECONDS:
            self._logged_at[key_id] = now
            self._logged_at.move_to_end(key_id)
            logger.error(
                "Something is encrypted under the key %s, which this process does not have: it is left to others. "
                "Set the same STATE_ENCRYPTION_KEYS, and the same SEAL_KEY, for all processes, and restart this one",
                key_id, extra={"action": "seal.unreadable", "key_id": key_id},
            )  # fmt: skip
            while len(self._logged_at) > MOST_REMEMBERED:
                forgotten, _ = self._logged_at.popitem(last=False)
                self._found_at.pop(forgotten, None)
        return EncryptionKeyMissing(key_id)

    def lately(self, seconds: float = 300.0) -> list[str]:
        """Return the ids of the keys that were missed within the last `seconds`."""
        since = self._monotonic() - seconds
        return [key_id for key_id, at in self._found_at.items() if at >= since]
