"""The contract of sinks as a test suite; what passes it may be named in `EVENTS_SINK`.

In a test module of yours (pytest with the anyio plugin, `anyio_mode = "auto"`, or any other plugin that runs `async`
tests):

    from orchestrator.testing.sink_contract import SinkContract

    class TestQueueSink(SinkContract):
        @pytest.fixture
        async def sink(self):
            sink = QueueSink(…)             # nothing is kept yet
            yield sink
            await sink.close()

        async def kept(self):
            …                               # every event that is kept, in the order in which it came

        def another(self):
            …                               # a second sink with the same place, as another worker has it

For failures that show the values, say `pytest.register_assert_rewrite(` this module's name `)` in your conftest.
Without the hook `another`, the tests with several workers are skipped. A place that cannot tell a repeated event from a
new one, such as a webhook's receiver, compares ids; `kept` does the same.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.events.event import Event, EventType, new_event
from orchestrator.events.sinks.sink import EventRefused, Sink

AT = 1_790_000_000.0
"""When the events of the tests happened, in Unix seconds."""
STEPS = 12
"""At so many different moments a delivery is cancelled."""
ODD_DATA: tuple[Any, ...] = (
    "\x00", "a\ud800b", "\U0001f389\u2028", "x" * 99_999, "%_'\";--\\u0000", 1e308, float("nan"), 2**63, 0, [[[[]]]],
)  # fmt: skip


def an_event(call_sid: str, seq: int, **data: Any) -> Event:
    """Return the event with this number in a call."""
    known = {"agent": "echo", "tenant": "", "worker_version": "1", "started_at": "2026-09-21T14:13:20Z"}
    kind: EventType = "call.started" if seq == 1 else "turn.failed"
    return new_event(kind, AT + seq, {"call_sid": call_sid, "seq": seq, **known, **data})


class SinkContract:
    """Subclass it with a name that begins with `Test`, and override `sink`, `kept` and, if you can, `another`."""

    @pytest.fixture
    def sink(self) -> Sink:
        """Return a sink that has kept nothing yet."""
        raise NotImplementedError("override the fixture `sink` with one that gives your sink")

    async def kept(self) -> Sequence[Event]:
        """Return the events that are kept, in the order in which they came."""
        raise NotImplementedError("override `kept` with a method that reads what your sink keeps")

    def another(self) -> Sink:
        """Return a second sink with the same place. The tests close it."""
        pytest.skip("override `another` to test deliveries from several workers")

    async def test_an_event_is_kept_with_all_its_fields(self, sink: Sink) -> None:
        event = an_event("CA1", 1, slots={"name": "Ada", "list": [1, 2.5, None, True]}, word="écho 🎉")
        await sink.deliver(event)
        assert [each.model_dump() for each in await self.kept()] == [event.model_dump()]

    async def test_an_event_that_is_delivered_again_is_kept_once(self, sink: Sink) -> None:
        first, second = an_event("CA1", 1), an_event("CA1", 2)
        for event in (first, first, second, first, second):
            await sink.deliver(event)
        assert ids(await self.kept()) == ids([first, second])

    async def test_an_event_that_is_delivered_many_times_at_once_is_kept_once(self, sink: Sink) -> None:
        event = an_event("CA1", 1)
        await asyncio.gather(*(sink.deliver(event) for _ in range(10)))
        assert ids(await self.kept()) == [event.id]

    async def test_events_of_a_call_are_kept_in_order(self, sink: Sink) -> None:
        events = [an_event("CA1", seq) for seq in range(1, 21)]
        for event in events:
            await sink.deliver(event)
        assert ids(await self.kept()) == ids(events)

    async def test_deliveries_of_many_calls_at_once_are_kept_each_in_order(self, sink: Sink) -> None:
        calls = [[an_event(f"CA{number}", seq) for seq in range(1, 6)] for number in range(20)]

        async def deliver_all(events: list[Event]) -> None:
            for event in events:
                await sink.deliver(event)

        await asyncio.gather(*map(deliver_all, calls))
        kept = await self.kept()
        assert len(kept) == 100
        for events in calls:
            assert ids([each for each in kept if each.call_sid == events[0].call_sid]) == ids(events)

    async def test_two_workers_at_once_keep_an_event_once(self, sink: Sink) -> None:
        other = self.another()
        try:
            events = [an_event("CA1", seq) for seq in range(1, 11)]
            for event in events:
                await asyncio.gather(sink.deliver(event), other.deliver(event))
            await other.deliver(events[0])
            assert ids(await self.kept()) == ids(events)
        finally:
            await other.close()

    async def test_a_delivery_may_be_cancelled_at_any_moment_and_repeated(self, sink: Sink) -> None:
        events = [an_event("CA1", seq) for seq in range(1, STEPS + 1)]
        for steps, event in enumerate(events):
            delivery = asyncio.ensure_future(sink.deliver(event))
            for _ in range(steps):
                await asyncio.sleep(0)
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)
            await sink.deliver(event)
        assert ids(await self.kept()) == ids(events)

    async def test_a_cancelled_delivery_is_repeated_by_another_worker(self, sink: Sink) -> None:
        other = self.another()
        try:
            event = an_event("CA1", 1)
            delivery = asyncio.ensure_future(sink.deliver(event))
            await asyncio.sleep(0)
            delivery.cancel()
            await asyncio.gather(other.deliver(event), delivery, return_exceptions=True)
            await other.deliver(event)
            assert ids(await self.kept()) == [event.id]
        finally:
            await other.close()

    @pytest.mark.parametrize("value", ODD_DATA, ids=lambda value: ascii(value)[:16])
    async def test_odd_data_is_kept_or_refused_and_harms_no_other_event(self, sink: Sink, value: Any) -> None:
        """To raise anything else would repeat the event for three days, and hold up its call."""
        odd, next_one = an_event("CA1", 1, value=value), an_event("CA1", 2)
        try:
            await sink.deliver(odd)
            expected = [odd, next_one]
        except EventRefused:
            expected = [next_one]
        await sink.deliver(next_one)
        assert ids(await self.kept()) == ids(expected)

    async def test_types_and_fields_of_a_newer_version_are_kept(self, sink: Sink) -> None:
        event = an_event("CA1", 1).model_copy(update={"type": "call.sung"})
        await sink.deliver(event)
        assert [each.type for each in await self.kept()] == ["call.sung"]

    async def test_closing_twice_is_fine(self, sink: Sink) -> None:
        await sink.deliver(an_event("CA1", 1))
        await sink.close()
        await sink.close()
        assert len(await self.kept()) == 1


def ids(events: Sequence[Event]) -> list[str]:
    """Return the ids of the events, in order."""
    return [event.id for event in events]
