"""The end of a process that has sinks: none of them holds it up."""

import asyncio
from contextlib import suppress

import pytest

from orchestrator.events.event import Event
from orchestrator.events.sinks.closing import closing_sinks
from orchestrator.events.sinks.sink import Sink


class _Sink:
    is_closed = False

    async def deliver(self, event: Event) -> None:
        """Take it."""

    async def close(self) -> None:
        self.is_closed = True


class _Hanging(_Sink):
    async def close(self) -> None:
        await asyncio.Event().wait()


class _Ignoring(_Sink):
    """Hangs, and takes no notice of being cancelled twice."""

    def __init__(self, gate: asyncio.Event) -> None:
        self._gate = gate

    async def close(self) -> None:
        for _ in range(3):
            with suppress(asyncio.CancelledError):
                await self._gate.wait()


class _Failing(_Sink):
    async def close(self) -> None:
        raise ValueError("the secret of a caller")


async def test_a_sink_that_hangs_or_fails_holds_up_neither_the_process_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate, good = asyncio.Event(), _Sink()
    sinks: dict[str, Sink] = {
        "hanging": _Hanging(), "ignoring": _Ignoring(gate), "failing": _Failing(), "good": good,
    }  # fmt: skip
    async with asyncio.timeout(60):
        async with closing_sinks(sinks, seconds=0.05):
            assert not good.is_closed
    assert good.is_closed
    told = {(record.__dict__["sink"], record.__dict__["action"]) for record in caplog.records}
    assert told == {(name, "event.sink_not_closed") for name in ("hanging", "ignoring", "failing")}
    assert "secret" not in caplog.text
    gate.set()


async def test_sinks_are_closed_though_the_process_fails() -> None:
    good = _Sink()
    with pytest.raises(KeyError):
        async with closing_sinks({"good": good}):
            raise KeyError
    assert good.is_closed
