"""The contract of outboxes as a test suite; `orchestrator.events.outbox` says the rules in words.

In a test module (pytest with the anyio plugin, `anyio_mode = "auto"`):

    from orchestrator.testing.outbox_contract import OutboxContract

    class TestMyOutbox(OutboxContract):
        @pytest.fixture
        async def outbox(self):
            yield MyOutbox(…)                  # empty; it delivers to the sinks "file" and "hook"

        @pytest.fixture
        def states(self, outbox):
            return …                           # the state manager of its calls

        async def announce(self, outbox, announcement):
            …                                  # what a step of the call does with it

        async def expire(self, outbox, lease):
            …                                  # make the time of this lease run out, now

        async def say_it_is_over(self, outbox, call_sid):
            …                                  # the provider says that the call is over, after the agent hung up

        async def pass_closing_time(self, outbox, call_sid):
            …                                  # let the times pass that the end of this call waits for
"""

import pytest

from orchestrator.conversation.state import ConversationState
from orchestrator.events.outbox import Announcement, DeliveryLease, Outbox
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.delivery_contract import DeliveryContract
from orchestrator.testing.example_events import (
    an_event,
    announcement,
    deliver_all,
    delivery,
    failed,
    head_of,
    settle_all,
)
from orchestrator.testing.lives_contract import LivesContract
from orchestrator.testing.survey_contract import SurveyContract

__all__ = ["OutboxContract"]


class OutboxContract(DeliveryContract, LivesContract, SurveyContract):
    """Subclass it with a name that begins with `Test`, and override the fixtures and the four methods."""

    @pytest.fixture
    def outbox(self) -> Outbox:
        """Return an empty outbox that delivers to the sinks `file` and `hook`."""
        raise NotImplementedError("override the fixture `outbox` with one that gives your outbox")

    @pytest.fixture
    def states(self, outbox: Outbox) -> StateManagerBase:
        """Return the state manager of the calls whose events `outbox` keeps."""
        raise NotImplementedError("override the fixture `states` with the state manager of your outbox")

    @pytest.fixture
    async def state(self, states: StateManagerBase) -> ConversationState:
        """Return the state of a live call, `CA1`, of which nothing was announced."""
        return await states.create_state("CA1", channel="relay")

    async def announce(self, outbox: Outbox, announcement: Announcement) -> None:
        """Write the announcement as a step of the call does."""
        raise NotImplementedError("override `announce`")

    async def expire(self, outbox: Outbox, lease: DeliveryLease) -> None:
        """Make the lease run out, as if its holder had not renewed it."""
        raise NotImplementedError("override `expire`")

    async def say_it_is_over(self, outbox: Outbox, call_sid: str) -> None:
        """Say that the provider reported the end of a call that has ended already."""
        raise NotImplementedError("override `say_it_is_over`")

    async def pass_closing_time(self, outbox: Outbox, call_sid: str) -> None:
        """Let the times pass after which the end of the call is written in any case."""
        raise NotImplementedError("override `pass_closing_time`")

    # When a call is looked at.

    async def test_a_call_with_something_to_deliver_is_due(self, outbox: Outbox, state: ConversationState) -> None:
        assert await outbox.due() == []
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        assert await outbox.due() == ["CA1"]

    async def test_a_call_that_was_due_is_not_due_again_at_once(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        await outbox.due()
        assert await outbox.due() == []
        assert outbox.first_due is not None, "it is looked at again, should nobody deliver"

    async def test_no_more_calls_are_due_than_were_asked_for(self, outbox: Outbox, states: StateManagerBase) -> None:
        for call_sid in ("CA1", "CA2", "CA3"):
            state = await states.create_state(call_sid)
            await self.announce(outbox, announcement(head_of(state), an_event("a")))
        first = await outbox.due(2)
        assert len(first) == 2
        assert sorted([*first, *await outbox.due(2)]) == ["CA1", "CA2", "CA3"]

    async def test_an_open_call_with_nothing_to_deliver_is_not_due(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        await deliver_all(outbox)
        assert await outbox.due() == []
        assert outbox.first_due is not None, "its end is to be written some day"

    async def test_a_call_with_nothing_to_do_is_not_due_after_a_look(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state)))
        await outbox.settle_look("CA1")
        assert await outbox.due() == []

    async def test_a_released_call_with_something_left_is_due(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        await outbox.due()
        await outbox.release(claimed.lease)
        assert await outbox.due() == ["CA1"]

    # What people see.

    async def test_calls_are_listed_page_by_page_until_nothing_is_left_of_them(
        self, outbox: Outbox, states: StateManagerBase
    ) -> None:
        for number in range(5):
            state = await states.create_state(f"CA{number}")
            await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("bye", kind="call.ended")))
        seen, cursor = await outbox.calls(most=2)
        while cursor:
            page, cursor = await outbox.calls(cursor, most=2)
            seen += page
        assert sorted(set(seen)) == [f"CA{number}" for number in range(5)]
        await settle_all(outbox, claimed := await delivery(outbox, "CA3"))
        await outbox.release(claimed.lease)
        left, _ = await outbox.calls()
        assert sorted(left) == ["CA0", "CA1", "CA2", "CA4"]

    # Trying again what failed, because a person says so.

    async def test_what_failed_is_tried_at_once_if_a_person_says_so(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("b", ("hook",))))
        claimed = await delivery(outbox)
        await settle_all(outbox, claimed, failed(3600, failures=3))
        await outbox.release(claimed.lease)
        assert await outbox.due() == []
        assert await outbox.retry("CA1", "file")
        assert await outbox.due() == ["CA1"]
        again = await delivery(outbox)
        assert [(queue.sink, queue.failures) for queue in again.queues] == [("file", 3)]

    async def test_what_is_due_or_not_there_is_not_retried(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        assert not await outbox.retry("CA1", "file")
        assert not await outbox.retry("CA1", "hook")
        assert not await outbox.retry("CA9", "file")
        await deliver_all(outbox)
        assert not await outbox.retry("CA1", "file")
