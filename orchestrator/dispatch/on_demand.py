"""The dispatcher of this process in a system with workers, where it is seldom needed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType

from orchestrator.dispatch.in_process import InProcessDispatcher


class OnDemandDispatcher:
    """Makes an `InProcessDispatcher` when the first call runs here. A context manager; it owns the dispatcher.

    `make` is called in the event loop, where it may start tasks. So it must not load the agent, which may take seconds.
    `begin` is called with the new dispatcher, and with the stack that closes before it what works with it.
    """

    def __init__(
        self,
        make: Callable[[], InProcessDispatcher],
        begin: Callable[[InProcessDispatcher, AsyncExitStack], Awaitable[None]] | None = None,
    ) -> None:
        self._make = make
        self._begin = begin
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
                dispatcher = await self._stack.enter_async_context(self._make())
                if self._begin is not None:
                    await self._begin(dispatcher, self._stack)
                self.opened = dispatcher
            return self.opened

    def limited_as(self, call_sid: str) -> str | None:
        """Return as what a call that began here is limited; None: it is not."""
        return None if self.opened is None else self.opened.memory.admissions.limited_as(call_sid)

    async def idle(self, call_sid: str, timeout_seconds: float) -> None:
        """Wait until no turn of the call runs or waits here. Raise TimeoutError."""
        if self.opened is not None:
            await self.opened.idle(call_sid, timeout_seconds)
