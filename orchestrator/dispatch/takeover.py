"""One ingress at a time has the line of a call: who takes it over asks the one before to give it up.

The one before closes its socket and, if the call went on in its memory while Redis was away, writes it back. It is
asked over the channel on which it hears replies, and answers on the asker's. One that is dead has no subscription,
which the server tells at once; one that does not answer in time is gone without; one that answers that it cannot write
the call back yet is not. Who comes claims the line and learns who came before in one step: of two that come at once,
one asks the other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from orchestrator.dispatch.dispatcher import LineClaim
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.audience import is_heard
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.scripts import lua
from orchestrator.redis.wire import WiredScript
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.messages import GivenUp, TakenOver, given_up_message, taken_over_message

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
OUTAGE_SECONDS = 3.0
"""For so long after an outage of Redis who does not listen may live, and not have subscribed again yet."""
PAUSE_SECONDS = 0.2


class TakeOver:
    """Both sides of it. `channel` is this ingress's own; `gives_up` lets go of a call that another one has now, and
    tells whether that one need not wait for anything of it that is here."""

    gives_up: Callable[[str], Awaitable[bool]]

    def __init__(self, redis: Redis, channel: str, breaker: Breaker) -> None:
        self._redis = redis
        self._channel = channel
        self._breaker = breaker
        self._claim = WiredScript(redis, lua("take_line"))
        self.gives_up = _nothing
        self._awaited: dict[str, set[str]] = {}
        self._kept: set[str] = set()
        self._answered = asyncio.Event()
        self._tasks = BackgroundTasks()

    async def take_over(self, call_sid: str, claim: LineClaim) -> None:
        """Return when no ingress that came before has the call any more, as far as can be known.

        Raises `StoreUnavailable`, also while another one cannot write the call back: try again with the same `claim`.
        """
        if claim.others is None:
            claim.others = await self._claimed_before(call_sid)
        others = claim.others
        while others:
            told = {channel for channel in others if await self._ask(channel, call_sid)}
            await self._answers(call_sid, told)
            others -= told
            if not others or self._breaker.seconds_since_failure > OUTAGE_SECONDS:
                others.clear()  # who does not listen is dead
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def hear(self, message: TakenOver | GivenUp) -> None:
        """What another ingress asks or answers."""
        if isinstance(message, GivenUp):
            if message.keeps_state and message.call_sid in self._awaited:
                self._kept.add(message.call_sid)
            self._awaited.get(message.call_sid, set()).discard(message.channel)
            answered, self._answered = self._answered, asyncio.Event()
            answered.set()
            return
        self._tasks.start(self._give_up(message), f"give up {message.call_sid}")

    async def close(self) -> None:
        """Answer no more."""
        await self._tasks.close()

    async def _claimed_before(self, call_sid: str) -> set[str]:
        """Claim the line, in one step with learning who has claimed it or listens already."""
        listeners = keys.call(call_sid).listeners

        async def claim() -> list[bytes]:
            found: list[bytes] = await self._claim([listeners], [self._channel])
            return found

        with self._breaker.guard(), store_errors():
            channels = await with_sound_keys(self._redis, [listeners], claim)
        return {text_of(channel) for channel in channels} - {self._channel}

    async def _ask(self, channel: str, call_sid: str) -> bool:
        """Whether anybody heard it, as far as can be known."""
        self._awaited.setdefault(call_sid, set()).add(channel)
        with self._breaker.guard(), store_errors():
            return await is_heard(self._redis, channel, taken_over_message(call_sid, self._channel))

    async def _answers(self, call_sid: str, told: set[str]) -> None:
        awaited = self._awaited.get(call_sid, set())
        awaited &= told
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while awaited:
                    await self._answered.wait()
        except TimeoutError:
            extra = {"action": "call.takeover_timed_out", "call_sid": call_sid}
            logger.warning("An ingress that had this call does not answer; the call goes on without it", extra=extra)
        finally:
            self._awaited.pop(call_sid, None)
            is_kept = call_sid in self._kept
            self._kept.discard(call_sid)
        if is_kept:
            raise StoreUnavailable("Another ingress has what came last of this call, and cannot write it back yet.")

    async def _give_up(self, message: TakenOver) -> None:
        given_up = GivenUp(message.call_sid, self._channel, keeps_state=not await self.gives_up(message.call_sid))
        try:
            with store_errors():
                await self._redis.publish(message.channel, given_up_message(given_up))
        except StoreUnavailable:
            logger.debug("An ingress waits in vain for an answer", extra={"call_sid": message.call_sid})


async def _nothing(call_sid: str) -> bool:
    """Nobody has anything of a call here."""
    return True
