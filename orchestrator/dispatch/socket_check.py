"""Asks another ingress whether it still has the socket of a call, and whether that socket answers.

A new socket with a ticket that was used before is taken for a reconnection only if the old one does not answer. A dead
ingress has no subscription, which the server says at once; one that does not answer in time counts as dead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from orchestrator.errors import StoreUnavailable
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.errors import store_errors
from orchestrator.redis.publishing import publish_and_check
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.messages import SocketAnswer, SocketQuestion, socket_answer_message, socket_question_message

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""How long an ingress may take to answer: longer than it waits for the answer to a ping."""


class SocketCheck:
    """Both sides of the check. `channel` is this ingress's own.

    `is_answering` returns whether a call has a socket here that answers.
    """

    def __init__(
        self, redis: Redis, channel: str, breaker: Breaker, is_answering: Callable[[str], Awaitable[bool]]
    ) -> None:
        self.channel = channel
        self._is_answering = is_answering
        self._redis = redis
        self._breaker = breaker
        self._awaited: dict[tuple[str, str], list[asyncio.Future[bool]]] = {}
        self._tasks = BackgroundTasks()

    async def ask(self, channel: str, call_sid: str) -> bool:
        """True if the ingress that listens on `channel` has a socket of the call that answers. Never raises."""
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = self._awaited.setdefault((channel, call_sid), [])
        waiting.append(answered)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                with self._breaker.guard(), store_errors():
                    if not await publish_and_check(
                        self._redis, channel, socket_question_message(call_sid, self.channel)
                    ):
                        return False
                return await answered
        except (StoreUnavailable, TimeoutError):
            return False
        finally:
            waiting.remove(answered)
            if not waiting:
                self._awaited.pop((channel, call_sid), None)

    def on_message(self, message: SocketQuestion | SocketAnswer) -> None:
        """Process a question or an answer of another ingress."""
        if isinstance(message, SocketAnswer):
            for answered in self._awaited.get((message.channel, message.call_sid), ()):
                if not answered.done():
                    answered.set_result(message.is_answering)
            return
        self._tasks.start(self._answer(message), f"check the socket of {message.call_sid}")

    async def close(self) -> None:
        """Stop answering."""
        await self._tasks.close()

    async def _answer(self, question: SocketQuestion) -> None:
        answer = SocketAnswer(question.call_sid, self.channel, await self._is_answering(question.call_sid))
        try:
            with store_errors():
                await self._redis.publish(question.channel, socket_answer_message(answer))
        except StoreUnavailable:
            logger.debug("The answer to another ingress was not published", extra={"call_sid": question.call_sid})
