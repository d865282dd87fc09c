"""The outbox of a process without Redis."""

import pytest
from support.passing_time import moving_clock

from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import CLOSING_SECONDS, TAKE_OVER_SECONDS
from orchestrator.state.memory import InMemoryStateManager
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
