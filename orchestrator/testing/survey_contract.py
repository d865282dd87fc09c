"""The part of the contract of outboxes that is about counting what is in them."""

import pytest

from orchestrator import clock
from orchestrator.conversation.state import ConversationState
from orchestrator.events.outbox import Announcement, CallTally, Outbox
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.example_events import (
    DEAD,
    DELIVERED,
    an_event,
    announcement,
    deliver_all,
    delivery,
    failed,
    head_of,
    settle_all,
)

BOTH = ("file", "hook")


async def surveyed(outbox: Outbox, most: int = 100) -> dict[str, CallTally]:
    """Return the tallies of all calls, by their SIDs."""
    found, cursor = await outbox.survey(most=most)
    while cursor:
        page, cursor = await outbox.survey(cursor, most)
        found += page
    return {tally.call_sid: tally for tally in found}


class SurveyContract:
    """Part of `OutboxContract`, which has the fixtures and `announce`."""

    async def announce(self, outbox: Outbox, announcement: Announcement) -> None:
        """Write the announcement as a step of the call does."""
        raise NotImplementedError("override `announce`")

    async def test_an_empty_outbox_has_no_tallies(self, outbox: Outbox) -> None:
        assert await surveyed(outbox) == {}

    async def test_events_are_counted_once_and_deliveries_for_each_sink(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        began = clock.now()
        await self.announce(outbox, announcement(head_of(state), an_event("a", BOTH), an_event("b")))
        tally = (await surveyed(outbox))["CA1"]
        assert (tally.events, tally.sinks["file"].pending, tally.sinks["hook"].pending) == (2, 2, 1)
        stored = {it.entry.position: it.bytes for it in await outbox.undelivered("CA1")}
        assert tally.bytes == sum(stored.values()) > 0
        oldest = tally.sinks["file"].oldest_at
        assert oldest is not None
        assert began - 1 <= oldest <= clock.now() + 1

    async def test_a_call_that_is_open_is_counted_without_events(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state)))
        assert await surveyed(outbox) == {"CA1": CallTally("CA1", 0, 0, {})}

    async def test_what_is_delivered_is_counted_no_more(self, outbox: Outbox, state: ConversationState) -> None:
        bye = an_event("bye", kind="call.ended")
        await self.announce(outbox, announcement(head_of(state), an_event("a"), bye))
        await deliver_all(outbox)
        assert await surveyed(outbox) == {}

    async def test_a_dead_delivery_is_counted_as_one(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a", BOTH), an_event("b")))
        claimed = await delivery(outbox)
        await outbox.settle(claimed.lease, "file", 1, DEAD)
        await outbox.settle(claimed.lease, "hook", 1, DELIVERED)
        tally = (await surveyed(outbox))["CA1"]
        assert tally.events == 2
        assert set(tally.sinks) == {"file"}
        assert (tally.sinks["file"].pending, tally.sinks["file"].dead) == (1, 1)
        died = tally.sinks["file"].dead_at
        assert died is not None
        assert abs(died - clock.now()) < 60

    async def test_the_next_attempt_is_told_while_nobody_delivers(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        settlement = failed(3600)
        await settle_all(outbox, claimed, settlement)
        assert (await surveyed(outbox))["CA1"].sinks["file"].due_at is None, "somebody has the lease"
        await outbox.release(claimed.lease)
        due_at = (await surveyed(outbox))["CA1"].sinks["file"].due_at
        assert due_at == pytest.approx(settlement.next_at, abs=0.01)

    async def test_a_replayed_delivery_is_pending_and_a_dropped_one_gone(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a", BOTH)))
        await settle_all(outbox, await delivery(outbox), DEAD)
        assert await outbox.replay("CA1", 1, "file")
        assert await outbox.drop("CA1", 1, "hook")
        sinks = (await surveyed(outbox))["CA1"].sinks
        assert {name: (it.pending, it.dead) for name, it in sinks.items()} == {"file": (1, 0)}

    async def test_calls_are_counted_page_by_page(self, outbox: Outbox, states: StateManagerBase) -> None:
        for number in range(7):
            state = await states.create_state(f"CA{number}")
            await self.announce(outbox, announcement(head_of(state), an_event("a")))
        found = await surveyed(outbox, most=3)
        assert sorted(found) == [f"CA{number}" for number in range(7)]
        assert all(tally.events == 1 for tally in found.values())
