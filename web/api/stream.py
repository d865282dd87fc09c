"""A reply as server-sent events: `token` (a JSON string) for each token, then `reply`, or `error` with its problem.

Comments keep the connection alive between tokens. A client that disconnects ends the stream, not the turn.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import VoiceAgentError
from web.ingress import Timeouts
from web.problem_types import STILL_RUNNING
from web.problems import Problem, as_problem, problem_details

EVENT_STREAM = "text/event-stream"
HEARTBEAT = ": still here\n\n"
SLOW_READER_SECONDS = 30.0


def still_running() -> Problem:
    """Return the answer to a turn that takes longer than a request may."""
    return Problem(STILL_RUNNING, "The turn goes on; ask again with the same turn_id.")


class TurnStream(StreamingResponse):
    """The stream of one turn. `seconds` bounds the wait for its last token.

    Calls `on_token` before each token that it sends. The reply is what `answer` returns for the result.
    """

    def __init__(
        self,
        pending: PendingReply,
        *,
        seconds: float,
        timeouts: Timeouts,
        answer: Callable[[TurnResult], Awaitable[dict[str, Any]]],
        on_token: Callable[[], None] | None = None,
    ) -> None:
        self._pending = pending
        self._deadline = time.monotonic() + seconds
        self._timeouts = timeouts
        self._on_token = on_token
        self._answer = answer
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        self._stream = self._events()
        super().__init__(self._stream, media_type=EVENT_STREAM, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Disconnect a client that does not read it, so that it cannot hold up the process."""
        limit = max(self._deadline - time.monotonic(), 0.0) + SLOW_READER_SECONDS
        with contextlib.suppress(TimeoutError):
            async with contextlib.aclosing(self._stream), asyncio.timeout(limit):
                await super().__call__(scope, receive, send)

    async def _events(self) -> AsyncGenerator[str, None]:
        try:
            async with contextlib.aclosing(self._tokens()) as tokens:
                async for token in tokens:
                    if token is not None and self._on_token is not None:
                        self._on_token()
                    yield HEARTBEAT if token is None else _event("token", token)
            yield await self._end()
        except VoiceAgentError as error:
            yield _event("error", problem_details(as_problem(error)))

    async def _tokens(self) -> AsyncGenerator[str | None, None]:
        """Yield the tokens, and None for each pause of `heartbeat` seconds. End with the turn, or at the deadline."""
        tokens = self._pending.tokens()
        coming: asyncio.Task[str] | None = None
        try:
            while (left := self._deadline - time.monotonic()) > 0:
                coming = coming or asyncio.ensure_future(_next(tokens))
                done, _ = await asyncio.wait({coming}, timeout=min(self._timeouts.heartbeat, left))
                if not done:
                    yield None
                    continue
                token, coming = coming.result(), None
                yield token
        except _Ended:
            return
        finally:
            await _close(tokens, coming)

    async def _end(self) -> str:
        left = max(self._deadline - time.monotonic(), 0.0)
        result = await self._pending.wait(min(left, self._timeouts.result))
        if result is None:
            return _event("error", problem_details(still_running()))
        return _event("reply", await self._answer(result))


class _Ended(Exception):
    """There are no more tokens. (A task cannot raise StopAsyncIteration.)"""


async def _next(tokens: AsyncIterator[str]) -> str:
    try:
        return await anext(tokens)
    except StopAsyncIteration:
        raise _Ended from None


async def _close(tokens: AsyncIterator[str], coming: "asyncio.Task[str] | None") -> None:
    if coming is not None:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    close = getattr(tokens, "aclose", None)
    if close is not None:
        await close()


def _event(name: str, content: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"
