"""The key that all ingresses seal with, where none is set: made once, and kept in Redis."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.scripts import lua
from orchestrator.redis.wire import WiredScript

LIFE_SECONDS = 30 * 24 * 3600
"""So long a fleet that is switched off altogether keeps its key; who runs renews it."""
MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """`current` is what all seal with, "" if the settings say it; `others` some have sealed with before they knew it.

    `age_seconds`: how long ago the first ingress that shares keys has joined.
    """

    current: str = field(repr=False)
    others: tuple[str, ...] = field(repr=False)
    age_seconds: float


class RedisSealKeys:
    """The exchange of keys, with `guard` around each access to Redis."""

    def __init__(self, redis: Redis, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._guard = guard
        self._script = WiredScript(redis, lua("seal_keys"))

    async def exchange(self, proposed: str, used: Sequence[str] = ()) -> SharedKeys:
        """Propose a key ("" for none), tell which ones were `used`, and get what all know.

        Raises `StoreUnavailable`.
        """
        args = [proposed, LIFE_SECONDS * 1000, MOST_FIELDS, *used]
        with self._guard(), store_errors():
            age_ms, current, *others = await self._script([keys.SEAL_KEYS], args)
        return SharedKeys(_text(current), tuple(map(_text, others)), int(age_ms) / 1000)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
