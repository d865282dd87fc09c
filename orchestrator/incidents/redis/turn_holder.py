"""Which ingress had a turn first, by those that wait for replies of its call. Redis knows that for two minutes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns.redis.turn_reader import LISTENING_SECONDS

SOONER_SECONDS = 0.5
"""The clock of an ingress, by which the turn came, may be ahead of the server's by so much."""


async def ingress_that_had(
    redis: Redis, call_sid: str, since: float, guard: Callable[[], AbstractContextManager[None]] = nullcontext
) -> str:
    """Return the id of the ingress that submitted a turn of the call first since then (Unix seconds); "" if none did.

    Raise `StoreUnavailable`.
    """
    listeners = keys.call(call_sid).listeners

    async def read() -> list[tuple[bytes, float]]:
        found: list[tuple[bytes, float]] = await redis.zrange(listeners, 0, -1, withscores=True)
        return found

    with guard(), store_errors():
        found = await with_sound_keys(redis, [listeners], read)
    earliest = (since - SOONER_SECONDS + LISTENING_SECONDS) * 1000
    channel = next((text_of(name) for name, until in found if until >= earliest), "")
    return channel.removeprefix(keys.reply_channel(""))
