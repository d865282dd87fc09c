"""The last state of a call that this ingress has read, from which the call continues here while the store is down."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable
from orchestrator.tasks import cancel_and_wait


class LastKnownState:
    """Keeps the state as JSON, which takes a fifth of the memory of the objects: thousands of calls are idle.

    `read` reads the state from the store. Without `is_shared` the store is in this process, and nothing is kept.
    `on_read` gets each state that was read because it has changed.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[ConversationState | None]],
        *,
        is_shared: bool,
        on_read: Callable[[ConversationState], None] = lambda state: None,
    ) -> None:
        self._read = read
        self._is_shared = is_shared
        self._on_read = on_read
        self.version = 0
        """The version of the last state that was read."""
        self._json: str | None = None
        self._is_outdated = True
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def is_known(self) -> bool:
        """True if the call can continue from here."""
        return self._json is not None

    @property
    def is_outdated(self) -> bool:
        """True if the state may have changed since the last one was read."""
        return self._is_outdated

    def get(self) -> ConversationState | None:
        """Return the state, or None if nothing is known of the call."""
        return ConversationState.model_validate_json(self._json) if self._json is not None else None

    def keep(self, state: ConversationState | None) -> None:
        """Keep a state that was read; None changes nothing."""
        if state is not None and self._is_shared:
            self._json, self.version = state.model_dump_json(), state.version

    def begin(self, call_sid: str, opening: dict[str, Any]) -> None:
        """Keep the state of a call that has just begun, with the fields in `opening`, unless one is known."""
        if self._json is None:
            self._json = ConversationState(call_sid=call_sid, version=1, **opening).model_dump_json()

    def refresh(self) -> None:
        """Read the state again in the background, because a turn has changed it."""
        self._is_outdated = True
        if self._is_shared and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh(), name="refresh the last known state")

    async def close(self) -> None:
        """End the reading in the background."""
        await cancel_and_wait(self._refreshing, seconds=1)

    async def _refresh(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # then the state before stays the last known one
            while self._is_outdated:
                self._is_outdated = False
                state = await self._read()
                self.keep(state)
                if state is not None:
                    self._on_read(state)
