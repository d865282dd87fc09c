"""The dead letters in Redis: one hash, so that a person finds all of them in one place."""

import logging
import re
from collections.abc import Awaitable
from typing import Any, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns.dead_letter import DeadLetter

logger = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 86_400
PAGE = 500


class RedisDeadLetters:
    """A `DeadLetterBox`. All letters live for a week after the last one came."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def all(self) -> list[DeadLetter]:
        """The letters, the newest first. What is no letter is left out, and logged."""
        with store_errors():
            found = await cast(Awaitable[dict[Any, Any]], self._redis.hgetall(keys.DEAD_LETTERS))
        letters = [letter for text in found.values() if (letter := _read(text)) is not None]
        return sorted(letters, key=lambda letter: letter.buried_at, reverse=True)

    async def put(self, letter: DeadLetter) -> None:
        """Keep the letter, in place of an earlier one with its key."""
        with store_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.DEAD_LETTERS, letter.key, letter.model_dump_json())
                pipe.expire(keys.DEAD_LETTERS, KEPT_SECONDS)
                await pipe.execute()

    async def erase(self, call_sid: str) -> int:
        """Throw away all letters of a call, also those that cannot be read; how many there were."""
        found = 0
        pattern = re.sub(r"([\\*?\[\]^-])", r"\\\1", call_sid) + "/*"
        with store_errors():
            async for name, text in self._redis.hscan_iter(keys.DEAD_LETTERS, match=pattern, count=PAGE):
                letter = _read(text)
                if letter is None or letter.turn.call_sid == call_sid:  # another call's SID may begin like this one's
                    found += await cast(Awaitable[int], self._redis.hdel(keys.DEAD_LETTERS, name))
        return found

    async def discard(self, key: str) -> bool:
        """Throw the letter away; whether there was one."""
        with store_errors():
            return bool(await cast(Awaitable[int], self._redis.hdel(keys.DEAD_LETTERS, key)))


def _read(text: bytes | str) -> DeadLetter | None:
    try:
        return DeadLetter.model_validate_json(text)
    except ValidationError as error:
        logger.warning("A dead letter cannot be read: %d fields are wrong", error.error_count())
        return None
