"""Keeps the calls of open sessions alive: a caller who is silent on an open line is not one who has gone.

Without it the state of such a call would expire, and the call be greeted again; or it would be taken for abandoned.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from types import TracebackType

from orchestrator.clock import utc_now
from orchestrator.conversation.silence import LAST_CHANCE_SECONDS
from orchestrator.errors import StateConflict, StoreUnavailable, UnreadableState
from orchestrator.state.base import StateManagerBase
from orchestrator.tasks import cancel_and_wait
from web.session_registry import SessionRegistry

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 60.0
ROUNDS_A_LIFE = 5
"""Where a state lives for so long only as it was written: some rounds may fail before it expires."""
LEAST_SECONDS = 2 * LAST_CHANCE_SECONDS
"""A call whose state lives for less may be about to be ended."""
OPEN_SECONDS = 1200.0
"""For so long after it was noted a line counts as open: machines' clocks may differ by minutes."""
MOST_AT_ONCE = 200
WRITERS = 8


class KeepAlive:
    """Renews the time of all calls with an open session, again and again. A context manager; it owns its task."""

    def __init__(self, registry: SessionRegistry, states: StateManagerBase, life_seconds: float) -> None:
        self._registry = registry
        self._states = states
        self._life = life_seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "KeepAlive":
        self._task = asyncio.create_task(self._keep(), name="keep relay calls alive")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._task)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, self._life / ROUNDS_A_LIFE))
            try:
                await self._renew()
            except StoreUnavailable:
                continue  # in the next round, perhaps
            except Exception:
                logger.exception("Open calls could not be kept alive", extra={"action": "relay.keep_alive_failed"})

    async def _renew(self) -> None:
        waiting = iter(self._registry.call_sids)
        while some := list(islice(waiting, MOST_AT_ONCE)):
            if not await self._states.keep_alive(some, max(self._life, LEAST_SECONDS)):
                await self._write_again(some)

    async def _write_again(self, call_sids: Sequence[str]) -> None:
        """For a store that renews a state's time only when it is written, and does not tell how long it lives yet."""
        waiting = iter(call_sids)
        await asyncio.gather(*(self._writer(waiting) for _ in range(WRITERS)))

    async def _writer(self, waiting: Iterator[str]) -> None:
        for call_sid in waiting:
            with suppress(StateConflict, UnreadableState):  # somebody else has just written it
                state = await self._states.get_state(call_sid)
                if state is not None and state.is_active:
                    until = utc_now() + timedelta(seconds=max(self._life, OPEN_SECONDS))
                    await self._states.update_state(state.model_copy(update={"open_until": until}))
