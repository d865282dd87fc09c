"""What people do with dead letters: `voiceagent dead`, and `/dead-letters` of the API."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from redis.asyncio import Redis

from orchestrator.conversation.reply import TurnResult
from orchestrator.errors import BadCursor, CallEnded, CannotReplay, NoDeadLetter, UnknownCall
from orchestrator.redis.breaker import Breaker
from orchestrator.state.base import StateManagerBase
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.redis.dead_letters import RedisDeadLetters
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.replay import replay


@dataclass(frozen=True, slots=True)
class Page:
    """Dead letters, the newest first, how many there are in all, and the cursor of the next page; "" after the last."""

    letters: list[DeadLetter]
    count: int
    next_cursor: str = ""


class DeadLetterAccess:
    """Lists the dead letters, runs one again, or throws it away.

    `states` is a manager that keeps the states elsewhere than in `redis`. Every method may raise `StoreUnavailable`.
    """

    def __init__(
        self, redis: Redis, *, ttl_seconds: int, states: StateManagerBase | None = None, breaker: Breaker | None = None
    ) -> None:
        self._redis = redis
        self._box = RedisDeadLetters(redis)
        self._ttl_seconds = ttl_seconds
        self._states = states
        self._breaker = breaker
        self._guard: Callable[[], AbstractContextManager[None]] = nullcontext if breaker is None else breaker.guard

    async def all(self) -> list[DeadLetter]:
        """Return all letters, the newest first."""
        with self._guard():
            return await self._box.all()

    async def page(self, cursor: str = "", most: int = 100) -> Page:
        """Return at most `most` letters, from the cursor on. Raise `BadCursor`."""
        after = _read_cursor(cursor)
        letters = sorted(await self.all(), key=_place, reverse=True)
        rest = [letter for letter in letters if after is None or _place(letter) < after]
        found = rest[:most]
        return Page(found, len(letters), _cursor(found[-1]) if len(rest) > most else "")

    async def find(self, call_sid: str, turn_id: str) -> DeadLetter:
        """Return the letter of that turn. Raise `NoDeadLetter`."""
        key = f"{call_sid}/{turn_id}"
        with self._guard():
            found = await self._box.find(key)
        if found is None:
            raise NoDeadLetter(f"There is no dead letter {key}. It was run again, thrown away, or never was.")
        return found

    async def run(self, letter: DeadLetter, timeout_seconds: float) -> TurnResult | None:
        """Run the turn of the letter again. Return its result, or None when it has not come in time.

        Raise `CannotReplay` if the turn cannot be run, now or ever.
        """
        if letter.why_final:
            raise CannotReplay(letter.why_final)
        store = RedisTurnStore(self._redis, ttl_seconds=self._ttl_seconds, states=self._states, breaker=self._breaker)
        try:
            return await replay(letter, store, self._box, timeout_seconds=timeout_seconds)
        except (UnknownCall, CallEnded):
            raise CannotReplay(
                f"The call of {letter.key} is over, so its turn cannot be run any more. Do by hand what it asked for, "
                "then throw the dead letter away."
            ) from None

    async def drop(self, letter: DeadLetter) -> None:
        """Throw the letter away."""
        with self._guard():
            await self._box.discard(letter.key)


def _place(letter: DeadLetter) -> tuple[float, str]:
    return letter.dead_lettered_at.timestamp(), letter.key


def _cursor(letter: DeadLetter) -> str:
    return urlsafe_b64encode(json.dumps(_place(letter)).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    try:
        moment, key = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, RecursionError):
        raise BadCursor from None
    if type(moment) is not float or not isinstance(key, str):
        raise BadCursor
    return moment, key
