"""The sinks that want no event any more, as one process knows them."""

from orchestrator.events.outbox import StoppedSink


class MemoryStoppedSinks:
    """The part of `MemoryOutbox` that keeps them; see `Outbox`."""

    def __init__(self) -> None:
        self._stopped: dict[str, StoppedSink] = {}

    async def stop_sink(self, stopped: StoppedSink) -> None:
        """Note that the sink wants no event any more."""
        self._stopped[stopped.sink] = stopped

    async def stopped_sinks(self) -> list[StoppedSink]:
        """Return the stopped sinks."""
        return list(self._stopped.values())

    async def resume_sink(self, sink: str) -> bool:
        """Deliver to the sink again. Return False if it was not stopped."""
        return self._stopped.pop(sink, None) is not None
