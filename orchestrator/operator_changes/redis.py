"""Notes in Redis what a command changes, for a worker to log: the line is then with those of all other changes.

The note is written before the change: what cannot be noted is not changed.
"""

import getpass
import json
import logging
import socket
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.settings import Settings

logger = logging.getLogger(__name__)

MOST_CHANGES = 1000
KEPT_SECONDS = 7 * 86_400
"""How long a change waits for a worker that logs it."""
LONGEST = 500
"""Characters of a command."""


async def note_change(settings: Settings, *command: str) -> None:
    """Note in the Redis of `settings` that `command` is about to change something. Raise `StoreUnavailable`."""
    redis = connect(settings, max_connections=2)
    try:
        await _note(redis, *command)
    finally:
        await redis.aclose()


async def _note(redis: Redis, *command: str) -> None:
    shown = " ".join(part for part in command if part)[:LONGEST]
    change = json.dumps({"by": _operator(), "command": shown, "at": round(clock.now(), 3)})

    async def note() -> None:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.rpush(keys.OPERATOR_CHANGES, change)
            pipe.ltrim(keys.OPERATOR_CHANGES, -MOST_CHANGES, -1)
            pipe.expire(keys.OPERATOR_CHANGES, KEPT_SECONDS)
            await pipe.execute()

    with store_errors():
        await with_sound_keys(redis, [keys.OPERATOR_CHANGES], note)


async def log_changes(redis: Redis) -> int:
    """Log what was noted, each change once, whichever worker does it. Return how many there were.

    Raise `StoreUnavailable`.
    """

    async def take() -> Sequence[bytes]:
        taken = redis.lpop(keys.OPERATOR_CHANGES, MOST_CHANGES)
        return cast("Sequence[bytes]", await cast(Awaitable[Any], taken) or ())

    with store_errors():
        found = await with_sound_keys(redis, [keys.OPERATOR_CHANGES], take)
    for text in found:
        _log(text)
    return len(found)


def _log(text: bytes) -> None:
    """Log a change. Somebody may have written anything there."""
    try:
        change = json.loads(text)
        by, command, at = str(change["by"])[:LONGEST], str(change["command"])[:LONGEST], float(change["at"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        logger.warning("A note of a change cannot be read", extra={"action": "operator.change_unreadable"})
        return
    logger.info(
        "%s asked for a change: voiceagent %s", by, command,
        extra={"action": "operator.change", "by": by, "command": command, "changed_at": at},
    )  # fmt: skip


def _operator() -> str:
    name = "?"
    with suppress(OSError, KeyError):  # a container may have no user of that number
        name = getpass.getuser()
    return f"{name}@{socket.gethostname()}"
