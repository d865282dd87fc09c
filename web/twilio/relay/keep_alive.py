"""Renews the states of calls with an open session: a caller who is silent on an open connection has not hung up.

Otherwise the state of such a call would expire, and the caller would be greeted again; or the call would count as
abandoned.
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

MAX_PAUSE_SECONDS = 60.0
ROUNDS_PER_TTL = 5
"""Rounds in the time that a state lives, so that some of them may fail before it expires."""
MIN_TTL_SECONDS = 2 * LAST_CHANCE_SECONDS
"""A state that expires sooner may belong to a call that is about to be ended."""
OPEN_SECONDS = 1200.0
"""How long after a write the connection counts as open; the clocks of two machines may differ by minutes."""
BATCH_SIZE = 200
WRITERS = 8


class KeepAlive:
    """Renews the states of all calls with an open session, periodically. A context manager that owns its task."""

    def __init__(self, registry: SessionRegistry, states: StateManagerBase, ttl_seconds: float) -> None:
        self._registry = registry
        self._states = states
        self._ttl = ttl_seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "KeepAlive":
        self._task = asyncio.create_task(self._run(), name="keep relay calls alive")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(min(MAX_PAUSE_SECONDS, self._ttl / ROUNDS_PER_TTL))
            try:
                await self._renew()
            except StoreUnavailable:
                continue  # the next round may succeed
            except Exception:
                logger.exception("Could not keep open calls alive", extra={"action": "relay.keep_alive_failed"})

    async def _renew(self) -> None:
        remaining = iter(self._registry.call_sids)
        while some := list(islice(remaining, BATCH_SIZE)):
            if not await self._states.keep_alive(some, max(self._ttl, MIN_TTL_SECONDS)):
                await self._rewrite(some)

    async def _rewrite(self, call_sids: Sequence[str]) -> None:
        """Write the states again, for a store that can renew them only so and does not say when they expire."""
        remaining = iter(call_sids)
        await asyncio.gather(*(self._writer(remaining) for _ in range(WRITERS)))

    async def _writer(self, remaining: Iterator[str]) -> None:
        for call_sid in remaining:
            with suppress(StateConflict, UnreadableState):  # another process has just written it
                state = await self._states.get_state(call_sid)
                if state is not None and state.is_active:
                    until = utc_now() + timedelta(seconds=max(self._ttl, OPEN_SECONDS))
                    await self._states.update_state(state.model_copy(update={"open_until": until}))
