"""The events of calls that run in this process while Redis is down: they are delivered once they are in Redis."""

from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import Outbox


class LocalEvents:
    """Writes events that wait in this process into the outbox that all processes share.

    They come before the state of their call. If the process dies between both, the call counts as gone after a while,
    and its end is told with what is known of it. The other way round, its events would be lost.
    """

    def __init__(self, waiting: MemoryOutbox, shared: Outbox) -> None:
        self._waiting = waiting
        self._shared = shared

    async def write_back(self, call_sid: str) -> None:
        """Write what was announced of the call. Repeating it writes nothing twice. Raise `StoreUnavailable`."""
        for announcement in self._waiting.announced(call_sid):
            await self._shared.take_over(announcement)

    def forget(self, call_sid: str) -> None:
        """Forget the call: it has left this process."""
        self._waiting.forget(call_sid)
