"""Renames keys that hold another type than ours, so that one damaged key does not stop everything.

Somebody with write access to Redis may leave a string where a list belongs. Redis refuses each later command on such a
key. What our keys hold, except for the states, can be recovered: the inbox from the waiting turns, the queue from
`due`, a lease by granting it. So the key is renamed, and the command repeated.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from orchestrator.redis import keys, scripts
from orchestrator.redis.key_types import type_of

logger = logging.getLogger(__name__)

KEPT_MS = 86_400_000
T = TypeVar("T")


def is_wrong_type(error: BaseException) -> bool:
    """True if a command was refused because its key holds another type. A script's error quotes the reason."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def text_of(name: bytes | str) -> str:
    """Return a name from Redis as text. Bytes that are not UTF-8 are shown as `\\xff`."""
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


async def set_aside(command: Callable[..., Awaitable[Any]], names: Iterable[str]) -> int:
    """Rename those of our keys `names` that hold another type than ours. Return how many. Raise what Redis raises.

    A state is not renamed: only its own call is harmed, and what is there may be all that is left of it.
    """
    count = 0
    for name in names:
        wants = type_of(name)
        if wants is None or name.startswith(keys.STATE_PREFIX):
            continue
        renaming = scripts.set_aside(key=name, wanted_type=wants, keep_ms=KEPT_MS)
        found = renaming.decode(await command(*renaming.by_text()))
        if found:
            count += 1
            if name.endswith(keys.INBOX):
                await command(*scripts.rebuild_inbox(inbox=name, life_ms=KEPT_MS).by_text())
            logger.error(
                "%s held a %s where a %s belongs. It was renamed to %s and is kept for a day: find out who wrote it",
                name, found, wants, keys.aside(name),
                extra={"action": "redis.key_set_aside", "key": name, "found": found},
            )  # fmt: skip
    return count


async def with_sound_keys(redis: Redis, names: Iterable[str], do: Callable[[], Awaitable[T]]) -> T:
    """Return what `do` returns. If a key has the wrong type, rename those of `names` and call `do` once more.

    Raise what `do` raises.
    """
    try:
        return await do()
    except RedisError as error:
        if not is_wrong_type(error):
            raise
        await set_aside(redis.execute_command, names)  # perhaps another one was faster: call it again in any case
        return await do()
