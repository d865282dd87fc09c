"""The outbox of a process without Redis."""

import pytest
from support.passing_time import moving_clock

from orchestrator.conversation.state import ConversationState
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import CLOSING_SECONDS, TAKE_OVER_SECONDS
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_events import an_event, announcement, head_of
from orchestrator.testing.outbox_contract import OutboxContract

SINKS = ("file", "hook")


class TestMemoryOutbox(OutboxContract):
    @pytest.fixture(autouse=True)
    def pass_time(self):
        with moving_clock() as pass_time:
            yield pass_time

    @pytest.fixture
    def outbox(self, pass_time):
        outbox = MemoryOutbox(InMemoryStateManager(3600), SINKS)
        self._pass_time = pass_time
        return outbox

    @pytest.fixture
    def states(self, outbox):
        return outbox.states

    async def announce(self, outbox, announcement):
        outbox.announce(announcement)

    async def expire(self, outbox, lease):
        self._pass_time(outbox.lease_seconds + 0.1)

    async def say_it_is_over(self, outbox, call_sid):
        outbox.is_over(call_sid)

    async def pass_closing_time(self, outbox, call_sid):
        self._pass_time(max(CLOSING_SECONDS, TAKE_OVER_SECONDS) + 0.1)


async def test_what_is_told_late_opens_no_life_and_closes_none() -> None:
    outbox = MemoryOutbox(InMemoryStateManager(3600), SINKS)
    head = head_of(ConversationState(call_sid="CA1"))
    outbox.announce_late(announcement(head, an_event("sent")))
    assert await outbox.unended("CA1") is None
    outbox.announce(announcement(head, an_event("turn")))
    assert await outbox.unended("CA1") is not None, "its state is gone"
    assert [left.entry.event.data["seq"] for left in await outbox.undelivered("CA1")] == [1, 2]
