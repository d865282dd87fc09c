"""The dispatcher of this process in a system with workers, where it is seldom needed."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType

from orchestrator.dispatch.in_process import InProcessDispatcher


class OnDemandDispatcher:
    """Makes an `InProcessDispatcher` when the first call runs here. A context manager; it owns the dispatcher.

    `make` is called in the event loop, where it may start tasks. So it must not load the agent, which may take seconds.
    """

    def __init__(self, make: Callable[[], InProcessDispatcher]) -> None:
        self._make = make
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self.opened: InProcessDispatcher | None = None
        """The dispatcher; None until a call runs here."""

    async def __aenter__(self) -> "OnDemandDispatcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def open(self) -> InProcessDispatcher:
        """Return the dispatcher, made and entered by the first caller."""
        async with self._opening:
            if self.opened is None:
                self.opened = await self._stack.enter_async_context(self._make())
            return self.opened

    def limited_as(self, call_sid: str) -> str | None:
        """Return as what a call that began here is limited; None: it is not."""
        return None if self.opened is None else self.opened.memory.admissions.limited_as(call_sid)

    async def idle(self, call_sid: str, timeout_seconds: float) -> None:
        """Wait until no turn of the call runs or waits here. Raise TimeoutError."""
        if self.opened is not None:
            await self.opened.idle(call_sid, timeout_seconds)
