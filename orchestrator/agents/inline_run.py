"""`InlineRun`: runs an agent in the task that asks for its parts."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

from orchestrator.agents.agent_run import (
    CLOSE_SECONDS,
    SELF_CANCELLED,
    AgentRun,
    log_close_error,
    log_close_timeout,
    own_copy,
    parts_of,
)
from orchestrator.agents.protocol import Part
from orchestrator.errors import BadReply


class InlineRun(AgentRun):
    """Runs the agent in the caller's own task and event loop."""

    _parts: AsyncGenerator[Part, None] | None = None
    _is_over = False
    _was_stopped = False

    async def __anext__(self) -> Part:
        if self._is_over:
            raise StopAsyncIteration
        if self._parts is None:
            self._own = own_copy(self._given)
            self._parts = cast(AsyncGenerator[Part, None], parts_of(self._agent, self._turn, self._own))
        try:
            return await self._parts.__anext__()
        except StopAsyncIteration:
            self._is_over, self._left = True, self._own
            raise
        except asyncio.CancelledError:
            self._is_over = True
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._was_stopped = True  # the generator let the cancellation out, so it has ended
                raise
            raise BadReply(SELF_CANCELLED) from None
        except BaseException:
            self._is_over = True
            raise

    async def aclose(self) -> None:
        was_over, self._is_over = self._is_over, True
        if was_over or self._parts is None:
            return
        closing = asyncio.ensure_future(self._parts.aclose())
        closing.add_done_callback(self._note_closed)
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if closing.done():
            self._was_stopped = not closing.cancelled() and closing.exception() is None
        else:
            closing.cancel()
            log_close_timeout(self._turn)

    def _note_closed(self, closing: "asyncio.Future[None]") -> None:
        if not closing.cancelled() and (error := closing.exception()) is not None:
            log_close_error(self._turn, error)
