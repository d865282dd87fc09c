"""The dead letters in Redis: one hash, so that a person finds all of them in one place."""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from orchestrator.conversation.turn import Turn
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.sensitive_turns.resealing import resealed_words
from orchestrator.turns.dead_letter import UNREADABLE, DeadLetter

logger = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 86_400
PAGE = 500
LONGEST_NAME = 200
LONGEST_CONTENT = 1000
MOST_UNREADABLE = 1000
T = TypeVar("T")


class RedisDeadLetters:
    """A `DeadLetterBox`. All letters expire a week after the last one was added.

    With encryption keys only the SID of its call can be read of a letter that this process cannot open.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._cipher = cipher_of(redis)

    async def all(self) -> list[DeadLetter]:
        """Return the letters, the newest first. An entry that is not a letter is logged and left out."""
        with store_errors():
            found = await self._sound(lambda: cast(Awaitable[dict[Any, Any]], self._redis.hgetall(keys.DEAD_LETTERS)))
        letters = [letter for name, text in found.items() if (letter := self._read(name, text)) is not None]
        return sorted(letters, key=lambda letter: letter.dead_lettered_at, reverse=True)

    async def find(self, key: str) -> DeadLetter | None:
        """Return the letter of that name; None if there is none, or it is not a letter."""
        with store_errors():
            stored = await self._sound(lambda: cast(Awaitable[bytes | None], self._redis.hget(keys.DEAD_LETTERS, key)))
        return None if stored is None else self._read(key, stored)

    async def put(self, letter: DeadLetter) -> None:
        """Keep the letter; it replaces an earlier one with its key."""

        async def put() -> None:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.DEAD_LETTERS, letter.key, self._sealed(letter))
                pipe.expire(keys.DEAD_LETTERS, KEPT_SECONDS)
                await pipe.execute()

        with store_errors():
            await self._sound(put)

    async def erase(self, call_sid: str) -> int:
        """Delete all letters of a call, also unreadable ones. Return how many."""
        named = call_sid[:LONGEST_NAME]  # what could not be read may be kept under that
        owners = (call_sid, named)
        pattern = re.sub(r"([\\*?\[\]^-])", r"\\\1", named) + "*/*"

        async def erase() -> int:
            found = 0
            async for name, text in self._redis.hscan_iter(keys.DEAD_LETTERS, match=pattern, count=PAGE):
                letter = self._read(name, text)
                is_its = text_of(name).startswith(f"{named}/") if letter is None else letter.turn.call_sid in owners
                if is_its:  # another call's SID may begin like this one's
                    found += await cast(Awaitable[int], self._redis.hdel(keys.DEAD_LETTERS, name))
            return found

        with store_errors():
            return await self._sound(erase)

    async def put_unreadable(self, call_sid: str, what: str, reason: str, content: bytes = b"") -> None:
        """Keep what was found in Redis in place of a turn or a call's name, as far as it can be shown.

        Somebody else may have written a great many such entries: at most `MOST_UNREADABLE` are kept.
        """
        with store_errors():
            kept = await self._sound(lambda: cast(Awaitable[int], self._redis.hlen(keys.DEAD_LETTERS)))
        logger.error(
            "Something in Redis is not what VoiceAgent wrote (%s: %s), and was taken away; see `voiceagent dead`",
            what[:LONGEST_NAME], reason, extra={"action": "redis.unreadable", "call_sid": call_sid[:LONGEST_NAME]},
        )  # fmt: skip
        if kept < MOST_UNREADABLE:
            text = text_of(content)[:LONGEST_CONTENT]
            turn = Turn(turn_id=what[:LONGEST_NAME], call_sid=call_sid[:LONGEST_NAME], kind=UNREADABLE, text=text)
            await self.put(DeadLetter(turn=turn, attempts=0, reason=f"{what[:LONGEST_NAME]}: {reason}"))

    async def _sound(self, do: Callable[[], Awaitable[T]]) -> T:
        return await with_sound_keys(self._redis, [keys.DEAD_LETTERS], do)

    async def discard(self, key: str) -> bool:
        """Delete the letter. Return whether there was one."""
        with store_errors():
            return bool(await self._sound(lambda: cast(Awaitable[int], self._redis.hdel(keys.DEAD_LETTERS, key))))

    def _sealed(self, letter: DeadLetter) -> Any:
        text = letter.model_dump_json()
        return self._cipher.seal(_place(letter.key), text.encode(), _named(letter)) if self._cipher.encrypts else text

    def _read(self, name: bytes | str, stored: bytes | str) -> DeadLetter | None:
        stored = stored.encode() if isinstance(stored, str) else stored
        try:
            return DeadLetter.model_validate_json(self._cipher.open(_place(text_of(name)), stored))
        except UnreadableSeal as error:
            return _unopened(stored, str(error))
        except ValidationError as error:
            logger.warning("A dead letter cannot be read: %d fields are wrong", error.error_count())
            return None


def resealed_letter(
    cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
) -> bytes | None:
    """Return the letter `field` of the hash `key` as this process would write it; None if it is like that already.

    So is what sensitive turns brought, with the cipher `sensitive`. Raise `UnreadableSeal`, and ValueError for what is
    no letter.
    """
    text = cipher.open(_place(field), stored)
    letter = DeadLetter.model_validate_json(text)
    inner = text if sensitive is None else resealed_words(letter.turn.call_sid, text, sensitive)
    if inner is text and cipher.is_current(stored):
        return None
    return cipher.seal(_place(field), inner, _named(letter))


def _named(letter: DeadLetter) -> dict[str, str]:
    """Return what stays readable of a letter: whose it is."""
    return {"call_sid": letter.turn.call_sid, "turn_id": letter.turn.replay_of or letter.turn.turn_id}


def _place(key: str) -> str:
    return f"{keys.DEAD_LETTERS}/{key}"


def _unopened(stored: bytes, reason: str) -> DeadLetter | None:
    """Return what is known of a letter that cannot be opened."""
    try:
        named = json.loads(stored)
        turn = Turn(turn_id=named["turn_id"], call_sid=named["call_sid"], kind=UNREADABLE)
    except (ValueError, KeyError, TypeError, RecursionError):  # a ValidationError is a ValueError
        logger.warning("A dead letter cannot be read: %s", reason)
        return None
    return DeadLetter(turn=turn, attempts=0, reason=reason)
