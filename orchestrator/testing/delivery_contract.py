"""The contract of outboxes: who may deliver, in what order, and what becomes of a delivery."""

import asyncio

from orchestrator.conversation.state import ConversationState
from orchestrator.events.outbox import Announcement, DeliveryLease, Outbox, StoppedSink
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
    queue_of,
    settle_all,
    stale,
    texts,
)

BOTH = ("file", "hook")


class DeliveryContract:
    """The tests of delivery; `OutboxContract` has the fixtures."""

    async def announce(self, outbox: Outbox, announcement: Announcement) -> None:
        """Write the announcement as a step of the call does."""
        raise NotImplementedError

    async def expire(self, outbox: Outbox, lease: DeliveryLease) -> None:
        """Make the lease run out."""
        raise NotImplementedError

    # Order.

    async def test_events_are_claimed_in_the_order_of_their_announcement(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        head = head_of(state)
        await self.announce(outbox, announcement(head, an_event("a"), an_event("b")))
        await self.announce(outbox, announcement(head, an_event("c")))
        claimed = await delivery(outbox)
        assert texts(claimed) == ["a", "b", "c"]
        assert [entry.event.seq for entry in queue_of(claimed).entries] == [1, 2, 3]
        positions = [entry.position for entry in queue_of(claimed).entries]
        assert positions == sorted(set(positions))

    async def test_an_event_is_claimed_as_it_was_announced_with_its_seq(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        new = an_event("ä \u2028 {}")
        await self.announce(outbox, announcement(head_of(state), new))
        entry = queue_of(await delivery(outbox)).entries[0]
        assert entry.event == new.event.model_copy(update={"data": {**new.event.data, "seq": 1}})
        assert entry.sinks == new.sinks

    async def test_each_sink_gets_the_events_that_name_it(self, outbox: Outbox, state: ConversationState) -> None:
        events = (an_event("a", BOTH), an_event("b", ("hook",)), an_event("c"))
        await self.announce(outbox, announcement(head_of(state), *events))
        claimed = await delivery(outbox)
        assert (texts(claimed), texts(claimed, "hook")) == (["a", "c"], ["a", "b"])

    async def test_what_no_sink_wants_is_not_written(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a", ()), an_event("b")))
        claimed = await delivery(outbox)
        assert [(entry.event.data["text"], entry.event.seq) for entry in queue_of(claimed).entries] == [("b", 1)]

    async def test_what_is_announced_after_a_claim_is_claimed_next(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        await self.announce(outbox, announcement(head_of(state), an_event("b")))
        await settle_all(outbox, claimed)
        assert texts(await delivery(outbox)) == ["b"]

    # What becomes of a delivery.

    async def test_what_is_delivered_is_not_claimed_again(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("b")))
        assert await deliver_all(outbox) == ["a", "b"]
        assert await outbox.claim("CA1", "anna") is None
        assert await outbox.undelivered("CA1") == []

    async def test_an_event_stays_until_every_sink_has_it(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a", BOTH)))
        claimed = await delivery(outbox)
        position = queue_of(claimed).entries[0].position
        assert await outbox.settle(claimed.lease, "file", position, DELIVERED)
        assert [(left.sink, left.dead_at) for left in await outbox.undelivered("CA1")] == [("hook", None)]
        again = await delivery(outbox)
        assert (texts(again), texts(again, "hook")) == ([], ["a"])

    async def test_settling_twice_changes_nothing(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("b")))
        claimed = await delivery(outbox)
        position = queue_of(claimed).entries[0].position
        for settlement in (DELIVERED, DELIVERED, failed(100), DEAD):
            assert await outbox.settle(claimed.lease, "file", position, settlement)
        assert texts(await delivery(outbox)) == ["b"]
        assert [left.dead_at for left in await outbox.undelivered("CA1")] == [None]

    async def test_a_failed_delivery_stops_its_sink_until_its_time(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a", BOTH), an_event("b", BOTH)))
        claimed = await delivery(outbox)
        first = queue_of(claimed, "hook").entries[0].position
        later = failed(in_seconds=100)
        assert await outbox.settle(claimed.lease, "hook", first, later)
        again = await delivery(outbox)
        assert (texts(again), texts(again, "hook")) == (["a", "b"], []), "the other sink goes on"
        await settle_all(outbox, again)
        await outbox.release(again.lease)
        assert await outbox.claim("CA1", "anna") is None
        assert await outbox.due() == []
        assert outbox.first_due is not None
        left = await outbox.undelivered("CA1")
        assert [(it.sink, it.failures, it.error, it.dead_at) for it in left] == [
            ("hook", 1, later.error, None),
            ("hook", 0, "", None),
        ]
        assert left[0].next_at is not None
        assert abs(left[0].next_at - later.next_at) < 0.01

    async def test_a_failed_delivery_comes_again_with_its_count(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("b")))
        claimed = await delivery(outbox)
        past = failed(in_seconds=-1, failures=3)
        await outbox.settle(claimed.lease, "file", queue_of(claimed).entries[0].position, past)
        await outbox.release(claimed.lease)
        assert await outbox.due() == ["CA1"]
        queue = queue_of(again := await delivery(outbox))
        assert (texts(again), queue.failures) == (["a", "b"], 3)
        assert abs(queue.first_failed_at - past.first_failed_at) < 0.01
        await outbox.settle(again.lease, "file", queue.entries[0].position, DELIVERED)
        after = queue_of(await delivery(outbox))
        assert (after.failures, after.first_failed_at) == (0, 0), "the next event has a count of its own"

    async def test_after_a_dead_event_the_next_goes_on(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a", BOTH), an_event("b", BOTH)))
        claimed = await delivery(outbox)
        first = queue_of(claimed, "hook").entries[0].position
        await outbox.settle(claimed.lease, "hook", first, DEAD)
        again = await delivery(outbox)
        assert (texts(again), texts(again, "hook")) == (["a", "b"], ["b"])
        await settle_all(outbox, again)
        dead = await outbox.undelivered("CA1")
        assert [(it.entry.position, it.sink, it.failures, it.error, it.next_at) for it in dead] == [
            (first, "hook", 1, DEAD.error, None)
        ]
        assert dead[0].dead_at is not None
        assert dead[0].bytes > 0

    # Dead ones, and a person.

    async def test_a_dead_event_is_replayed_after_those_that_are_pending(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("b"), an_event("c")))
        claimed = await delivery(outbox)
        first = queue_of(claimed).entries[0]
        assert not await outbox.replay("CA1", first.position, "file"), "it is not dead"
        await outbox.settle(claimed.lease, "file", first.position, DEAD)
        await outbox.release(claimed.lease)
        assert await outbox.replay("CA1", first.position, "file")
        assert await outbox.due() == ["CA1"]
        again = await delivery(outbox)
        assert texts(again) == ["b", "c", "a"]
        assert queue_of(again).entries[-1].event == first.event
        assert all(it.dead_at is None for it in await outbox.undelivered("CA1"))

    async def test_a_dead_event_that_is_dropped_is_gone(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        position = queue_of(claimed).entries[0].position
        await outbox.settle(claimed.lease, "file", position, DEAD)
        assert await outbox.drop("CA1", position, "file")
        assert await outbox.undelivered("CA1") == []
        assert not await outbox.drop("CA1", position, "file")
        assert not await outbox.replay("CA1", position, "file")

    async def test_a_pending_event_that_is_dropped_lets_the_next_go_on(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a"), an_event("b")))
        claimed = await delivery(outbox)
        position = queue_of(claimed).entries[0].position
        await outbox.settle(claimed.lease, "file", position, failed(in_seconds=100))
        await outbox.release(claimed.lease)
        assert await outbox.drop("CA1", position, "file")
        assert await outbox.due() == ["CA1"]
        again = await delivery(outbox)
        assert (texts(again), queue_of(again).failures) == (["b"], 0)

    async def test_nothing_is_known_of_a_call_without_events(self, outbox: Outbox, state: ConversationState) -> None:
        assert await outbox.undelivered("CA1") == []
        assert not await outbox.replay("CA1", 1, "file")
        assert not await outbox.drop("CA1", 1, "file")
        assert await outbox.claim("CA1", "anna") is None
        assert await outbox.unended("CA1") is None
        await outbox.settle_look("CA1")
        assert await outbox.due() == []

    # Leases.

    async def test_one_at_a_time_delivers_a_call(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claims = await asyncio.gather(*(outbox.claim("CA1", f"holder-{n}") for n in range(10)))
        assert sum(claim is not None for claim in claims) == 1

    async def test_calls_are_delivered_independently(self, outbox: Outbox, states: StateManagerBase) -> None:
        for call_sid in ("CA1", "CA2"):
            await self.announce(outbox, announcement(head_of(await states.create_state(call_sid)), an_event("a")))
        assert texts(await delivery(outbox, "CA1", "anna")) == ["a"]
        assert texts(await delivery(outbox, "CA2", "bert")) == ["a"]

    async def test_a_holder_that_claims_again_keeps_its_lease(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        first = await delivery(outbox)
        again = await delivery(outbox)
        assert again.lease == first.lease
        await settle_all(outbox, again)
        assert await outbox.claim("CA1", "anna") is None
        assert await outbox.renew([first.lease]) == [], "it has the lease until it gives it back"

    async def test_a_released_lease_goes_to_another_under_a_new_epoch(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        first = await delivery(outbox)
        await outbox.release(first.lease)
        second = await delivery(outbox, holder="bert")
        assert (second.lease.holder, second.lease.epoch) == ("bert", first.lease.epoch + 1)
        assert await outbox.renew([first.lease, second.lease]) == [first.lease]

    async def test_a_lease_that_ran_out_is_good_until_another_has_it(
        self, outbox: Outbox, state: ConversationState
    ) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        await self.expire(outbox, claimed.lease)
        assert await outbox.renew([claimed.lease]) == []
        assert await outbox.claim("CA1", "bert") is None
        await settle_all(outbox, claimed)

    async def test_a_call_whose_holder_died_is_due(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        claimed = await delivery(outbox)
        await self.expire(outbox, claimed.lease)
        assert await outbox.due() == ["CA1"]
        assert texts(await delivery(outbox, holder="bert")) == ["a"]

    async def test_an_old_lease_can_do_nothing(self, outbox: Outbox, state: ConversationState) -> None:
        await self.announce(outbox, announcement(head_of(state), an_event("a")))
        old = await delivery(outbox)
        await self.expire(outbox, old.lease)
        new = await delivery(outbox, holder="bert")
        position = queue_of(old).entries[0].position
        for settlement in (DELIVERED, failed(100), DEAD):
            assert not await outbox.settle(old.lease, "file", position, settlement)
        await outbox.release(old.lease)
        assert await outbox.claim("CA1", "carl") is None, "the release of an old lease gave the new one away"
        assert await outbox.renew([old.lease, new.lease, stale(old.lease)]) == [old.lease, stale(old.lease)]
        await settle_all(outbox, new)
        await outbox.release(new.lease)
        assert await outbox.undelivered("CA1") == []

    # Sinks that want nothing any more.

    async def test_a_stopped_sink_is_known_to_all_until_it_is_resumed(self, outbox: Outbox) -> None:
        assert await outbox.stopped_sinks() == []
        stopped = StoppedSink("hook", "an address", "It is gone.", 1_700_000_000.5)
        await outbox.stop_sink(stopped)
        await outbox.stop_sink(stopped)
        assert await outbox.stopped_sinks() == [stopped]
        assert await outbox.resume_sink("hook")
        assert not await outbox.resume_sink("hook")
        assert await outbox.stopped_sinks() == []
