"""Keys that hold what we never wrote there: put out of the way, so that one of them stops nobody.

Somebody with write access to Redis, or a mistake, may leave a string where a list belongs. Each command on such a
key is refused for ever. What our keys hold, except for the states, can be found again or begun anew: the inbox from
the waiting turns, the queue from the list of what is due, the lease by granting it. So such a key is renamed, and the
command repeated.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from orchestrator.redis import keys, scripts

logger = logging.getLogger(__name__)

KEPT_MS = 86_400_000
T = TypeVar("T")


def is_wrong_type(error: BaseException) -> bool:
    """Whether a command was refused because its key holds another type. A script's error quotes the reason."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def text_of(name: bytes | str) -> str:
    """A name out of Redis as text; bytes that are none are shown as `\\xff`."""
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


async def set_aside(command: Callable[..., Awaitable[Any]], names: Iterable[str]) -> int:
    """Rename those of our keys `names` that hold another type than ours; how many there were.

    A state stays: only its call is harmed, and what is there may be all that is left of it. Raises what Redis raises.
    """
    count = 0
    for name in names:
        wants = keys.type_of(name)
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
    """What `do` returns; if keys are of the wrong type, once more after those of `names` were put aside.

    Raises what `do` raises.
    """
    try:
        return await do()
    except RedisError as error:
        if not is_wrong_type(error) or not await set_aside(redis.execute_command, names):
            raise
        return await do()
