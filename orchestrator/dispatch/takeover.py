"""One ingress at a time has a relay call: an ingress that takes it over asks the previous one to release it.

The previous ingress closes its socket. If the call ran in its memory while Redis was down, it also writes the call
back. The question goes to the channel on which that ingress gets replies, the answer to the channel of the one that
asks:

- No subscriber: the previous ingress is dead, and the server says so at once.
- No answer in time: the new ingress continues the call.
- The answer that it cannot write the call back yet: the new ingress has to wait.

An ingress enters itself and learns of the previous ones in one step: of two that come at once, one asks the other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from orchestrator.dispatch import scripts
from orchestrator.dispatch.dispatcher import TakeoverAttempt
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.damage import text_of
from orchestrator.redis.errors import store_errors
from orchestrator.redis.publishing import publish_and_check
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.messages import CallReleased, CallTakenOver, call_released_message, call_taken_over_message

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakeoverTimings:
    """How long a takeover waits, in seconds."""

    answer: float = 2.0
    """For the answer of a previous ingress."""
    outage: float = 3.0
    """After an outage of Redis, for a previous ingress that lives to subscribe again."""
    pause: float = 0.2
    """Between two questions to one that has not subscribed yet."""


class Takeover:
    """Both sides of a takeover. `channel` is this ingress's own.

    `release` closes the socket of a call that another ingress has now, and writes the call back if it ran here. It
    returns False while the write-back fails. `take_sent` then returns what was sent over that socket.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        breaker: Breaker,
        release: Callable[[str], Awaitable[bool]],
        *,
        timings: TakeoverTimings | None = None,
        take_sent: Callable[[str], str] = lambda call_sid: "",
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._breaker = breaker
        self._scripts = ScriptRunner(redis)
        self._release = release
        self._timings = timings or TakeoverTimings()
        self._take_sent = take_sent
        self._sent: dict[str, str] = {}
        self._awaited: dict[str, set[str]] = {}
        self._kept: set[str] = set()
        self._answered = asyncio.Event()
        self._tasks = BackgroundTasks()

    async def take_over(self, call_sid: str, attempt: TakeoverAttempt) -> None:
        """Return when no previous ingress has the call any more, as far as can be known.

        Raises `StoreUnavailable`, also while another ingress cannot write the call back: try again with the same
        `attempt`.
        """
        if attempt.others is None:
            attempt.others = await self._enter(call_sid)
        others = attempt.others
        while others:
            asked = {channel for channel in others if await self._ask(channel, call_sid)}
            await self._wait_for_answers(call_sid, asked)
            attempt.sent = self._sent.pop(call_sid, attempt.sent)
            others -= asked
            if not others or self._breaker.seconds_since_failure > self._timings.outage:
                others.clear()  # without a subscription, it is dead
                return
            await asyncio.sleep(self._timings.pause)

    def on_message(self, message: CallTakenOver | CallReleased) -> None:
        """Process a question or an answer of another ingress."""
        if isinstance(message, CallReleased):
            if message.keeps_state and message.call_sid in self._awaited:
                self._kept.add(message.call_sid)
            if message.sent and message.call_sid in self._awaited:
                self._sent[message.call_sid] = message.sent
            self._awaited.get(message.call_sid, set()).discard(message.channel)
            answered, self._answered = self._answered, asyncio.Event()
            answered.set()
            return
        self._tasks.start(self._release_and_answer(message), f"release {message.call_sid}")

    async def close(self) -> None:
        """Stop answering."""
        await self._tasks.close()

    async def _enter(self, call_sid: str) -> set[str]:
        """Enter this ingress and, in the same step, return the channels of those that are entered or listen already."""
        entering = scripts.take_over_call(call_sid=call_sid, channel=self._channel)
        with self._breaker.guard(), store_errors():
            channels = await self._scripts.run(entering)
        return {text_of(channel) for channel in channels} - {self._channel}

    async def _ask(self, channel: str, call_sid: str) -> bool:
        """Ask for the call; return whether there is a subscriber, as far as can be known."""
        self._awaited.setdefault(call_sid, set()).add(channel)
        with self._breaker.guard(), store_errors():
            return await publish_and_check(self._redis, channel, call_taken_over_message(call_sid, self._channel))

    async def _wait_for_answers(self, call_sid: str, asked: set[str]) -> None:
        awaited = self._awaited.get(call_sid, set())
        awaited &= asked
        try:
            async with asyncio.timeout(self._timings.answer):
                while awaited:
                    await self._answered.wait()
        except TimeoutError:
            extra = {"action": "call.takeover_timed_out", "call_sid": call_sid}
            logger.warning("An ingress that had this call does not answer; the call continues without it", extra=extra)
        finally:
            self._awaited.pop(call_sid, None)
            is_kept = call_sid in self._kept
            self._kept.discard(call_sid)
        if is_kept:
            raise StoreUnavailable("Another ingress has the last turns of this call, and cannot write it back yet.")

    async def _release_and_answer(self, message: CallTakenOver) -> None:
        keeps_state = not await self._release(message.call_sid)
        sent = self._take_sent(message.call_sid)
        released = CallReleased(message.call_sid, self._channel, keeps_state=keeps_state, sent=sent)
        try:
            with store_errors():
                await self._redis.publish(message.channel, call_released_message(released, cipher_of(self._redis)))
        except StoreUnavailable:
            logger.debug("The answer to another ingress was not published", extra={"call_sid": message.call_sid})
