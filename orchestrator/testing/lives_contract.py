"""The contract of outboxes: each life of a call gets exactly one `call.ended`, whatever becomes of its state."""

import asyncio

from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState, EndRecord
from orchestrator.events.outbox import Announcement, NewEvent, Outbox, Unended
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.example_events import (
    an_event,
    announcement,
    deliver_all,
    delivery,
    head_of,
    queue_of,
    settle_all,
    texts,
)


def the_end(text: str = "bye") -> NewEvent:
    """Return a `call.ended`."""
    return an_event(text, kind="call.ended")


async def with_end(states: StateManagerBase, state: ConversationState) -> ConversationState:
    """Write that the call has ended now."""
    ended = EndRecord(status="completed", at=utc_now())
    return await states.update_state(state.model_copy(update={"status": "completed", "ended": ended}))


class LivesContract:
    """The tests of a call's end; `OutboxContract` has the fixtures."""

    async def announce(self, outbox: Outbox, announcement: Announcement) -> None:
        """Write the announcement as a step of the call does."""
        raise NotImplementedError

    async def say_it_is_over(self, outbox: Outbox, call_sid: str) -> None:
        """Say that the provider reported the end of the call."""
        raise NotImplementedError

    async def pass_closing_time(self, outbox: Outbox, call_sid: str) -> None:
        """Let the times pass after which the end of the call is written in any case."""
        raise NotImplementedError

    async def unended(self, outbox: Outbox, call_sid: str = "CA1") -> Unended:
        """Return the call, whose end must be due."""
        found = await outbox.unended(call_sid)
        assert found is not None, "the end of the call is not due"
        return found

    async def test_an_accepted_call_is_open(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state)))
        assert await outbox.calls() == (["CA1"], "")
        assert await outbox.unended("CA1") is None, "it is live"

    async def test_the_end_of_a_call_is_written_once(self, outbox: Outbox, state: ConversationState) -> None:
        head = head_of(state)
        await self.announce(outbox, announcement(head, an_event("a"), the_end()))
        await self.announce(outbox, announcement(head, the_end("again")))
        assert not await outbox.end(Unended(head, None), the_end("once more"))
        assert await deliver_all(outbox) == ["a", "bye"]
        await self.announce(outbox, announcement(head, the_end("after it was delivered")))
        assert await outbox.claim("CA1", "anna") is None
        assert await outbox.calls() == ([], "")
        assert await outbox.unended("CA1") is None

    async def test_the_end_that_no_sink_wants_closes_the_call(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("bye", (), "call.ended")))
        assert await outbox.calls() == ([], "")
        assert await outbox.claim("CA1", "anna") is None

    async def test_a_call_that_the_agent_ended_is_over_when_the_provider_says_so(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state)))
        state = await with_end(states, state)
        await self.announce(outbox, announcement(head_of(state), closes_later=True))
        assert await outbox.unended("CA1") is None
        await self.say_it_is_over(outbox, "CA1")
        assert await outbox.due() == ["CA1"]
        unended = await self.unended(outbox)
        assert unended == Unended(head_of(state), state)
        assert await outbox.end(unended, the_end())
        assert await deliver_all(outbox) == ["bye"]
        assert await outbox.unended("CA1") is None

    async def test_a_call_that_the_agent_ended_is_over_after_a_while(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        state = await with_end(states, state)
        await self.announce(outbox, announcement(head_of(state), closes_later=True))
        await outbox.settle_look("CA1")
        assert await outbox.due() == []
        await self.pass_closing_time(outbox, "CA1")
        assert await outbox.due() == ["CA1"]
        assert (await self.unended(outbox)).state == state

    async def test_a_call_whose_state_is_gone_is_over(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        await deliver_all(outbox)
        await states.delete_state("CA1")
        unended = await self.unended(outbox)
        assert unended == Unended(head_of(state), None)
        assert await outbox.end(unended, the_end())
        claimed = await delivery(outbox)
        assert [(entry.event.data["text"], entry.event.seq) for entry in queue_of(claimed).entries] == [("bye", 2)]

    async def test_the_end_is_written_by_one_of_many(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state)))
        await states.delete_state("CA1")
        unended = await self.unended(outbox)
        written = await asyncio.gather(*(outbox.end(unended, the_end(str(number))) for number in range(5)))
        assert sum(written) == 1
        assert len(texts(await delivery(outbox))) == 1

    async def test_a_call_is_closed_without_an_event(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state)))
        await states.delete_state("CA1")
        assert await outbox.end(await self.unended(outbox), None)
        assert await outbox.unended("CA1") is None
        assert await outbox.calls() == ([], "")

    async def test_a_sid_that_is_used_again_has_another_life(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), the_end()))
        await states.delete_state("CA1")
        second = await states.create_state("CA1", created_at=utc_now())
        await self.announce(outbox, announcement(head_of(second), an_event("b")))
        claimed = await delivery(outbox)
        assert texts(claimed) == ["a", "bye", "b"]
        assert [entry.event.seq for entry in queue_of(claimed).entries] == [1, 2, 1]
        assert await outbox.unended("CA1") is None, "the second life goes on"
        await self.announce(outbox, announcement(head_of(second), the_end("again")))
        await settle_all(outbox, claimed)
        assert texts(await delivery(outbox)) == ["again"]

    async def test_a_life_that_was_never_ended_gets_its_end_though_the_next_has_begun(
        self, outbox: Outbox, states: StateManagerBase, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        await states.delete_state("CA1")
        second = await states.create_state("CA1", created_at=utc_now())
        await self.announce(outbox, announcement(head_of(second), an_event("b")))
        unended = await self.unended(outbox)
        assert unended == Unended(head_of(state), None)
        assert await outbox.end(unended, the_end())
        assert await outbox.unended("CA1") is None
        claimed = await delivery(outbox)
        assert [(entry.event.data["text"], entry.event.seq) for entry in queue_of(claimed).entries] == [
            ("a", 1),
            ("b", 1),
            ("bye", 2),
        ]

    # What another process kept in its memory.

    async def test_what_is_taken_over_is_written_after_what_is_there(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        elsewhere = an_event("b").event
        numbered = NewEvent(elsewhere.model_copy(update={"data": {**elsewhere.data, "seq": 1}}), ("file",))
        await outbox.take_over(announcement(head_of(state), numbered))
        claimed = await delivery(outbox)
        assert [(entry.event.data["text"], entry.event.seq) for entry in queue_of(claimed).entries] == [
            ("a", 1),
            ("b", 2),
        ]

    async def test_what_is_taken_over_twice_is_written_once(self, outbox: Outbox, state: ConversationState) -> None:
        first, second = an_event("a"), an_event("b")
        await outbox.take_over(announcement(head_of(state), first))
        assert await outbox.due() == ["CA1"]
        assert await deliver_all(outbox) == ["a"]
        await outbox.take_over(announcement(head_of(state), first, second))
        assert await deliver_all(outbox) == ["b"]
        assert await outbox.claim("CA1", "anna") is None

    async def test_a_call_that_was_taken_over_is_not_gone_before_its_state_has_come(
        self, outbox: Outbox, states: StateManagerBase
    ) -> None:
        state = ConversationState(call_sid="CA1")
        await outbox.take_over(announcement(head_of(state), an_event("a")))
        assert await outbox.unended("CA1") is None
        await states.create_state("CA1", created_at=state.created_at)
        await self.pass_closing_time(outbox, "CA1")
        assert await outbox.unended("CA1") is None, "it is live"
        await states.delete_state("CA1")
        assert (await self.unended(outbox)).state is None

    async def test_a_call_that_was_taken_over_and_has_no_state_is_over_after_a_while(self, outbox: Outbox) -> None:
        head = head_of(ConversationState(call_sid="CA1"))
        await outbox.take_over(announcement(head, an_event("a")))
        await deliver_all(outbox)
        assert await outbox.due() == []
        await self.pass_closing_time(outbox, "CA1")
        assert await outbox.due() == ["CA1"]
        assert await self.unended(outbox) == Unended(head, None)

    async def test_a_call_that_ended_elsewhere_is_closed(self, outbox: Outbox) -> None:
        head = head_of(ConversationState(call_sid="CA1"))
        await outbox.take_over(announcement(head, an_event("a"), the_end()))
        assert await outbox.unended("CA1") is None
        assert not await outbox.end(Unended(head, None), the_end("again"))
        assert await deliver_all(outbox) == ["a", "bye"]
