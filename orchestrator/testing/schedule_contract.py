"""The contract of schedules as a test suite; `orchestrator.schedule.schedule` says the rules in words.

In a test module (pytest with the anyio plugin, `anyio_mode = "auto"`):

    from orchestrator.testing.schedule_contract import ScheduleContract

    class TestMySchedule(ScheduleContract):
        @pytest.fixture
        async def schedule(self):
            yield MySchedule(…)                # empty

        async def expire(self, schedule, lease):
            …                                  # make the time of this lease run out, now

        async def told(self, schedule, call_sid):
            …                                  # the types of the events that are in the outbox of the call
"""

import asyncio
from datetime import timedelta

import pytest

from orchestrator import clock
from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.item import ActivityItem, MessageItem, ScheduledItem, TimerItem
from orchestrator.schedule.schedule import ItemLease, Schedule, ScheduledRun
from orchestrator.testing.example_events import an_event, announcement, head_of

__all__ = ["ScheduleContract", "a_message", "a_timer", "an_activity"]

SID = "CA1"
LIFE = "2026-11-27T08:00:00+00:00"
ROOM = {"timer": 10, "activity": 10, "message": 10}


def a_timer(item_id: str = "timer-1", in_seconds: float = 0.0, call_sid: str = SID) -> TimerItem:
    """Return a timer that is due in so many seconds."""
    due_at = utc_now() + timedelta(seconds=in_seconds)
    return TimerItem(item_id=item_id, call_sid=call_sid, life=LIFE, asked_by="t1", due_at=due_at, name=item_id)


def an_activity(item_id: str = "activity-1", in_seconds: float = 0.0) -> ActivityItem:
    """Return an activity that is due in so many seconds."""
    due_at = utc_now() + timedelta(seconds=in_seconds)
    about = {"function": "shop:look_up", "args": {"day": "Monday"}, "timeout_seconds": 5.0, "retries": 1}
    return ActivityItem(item_id=item_id, call_sid=SID, life=LIFE, asked_by="t1", due_at=due_at, name=item_id, **about)


def a_message(item_id: str = "message-1", in_seconds: float = 0.0) -> MessageItem:
    """Return a text message that is due in so many seconds."""
    due_at = utc_now() + timedelta(seconds=in_seconds)
    return MessageItem(
        item_id=item_id, call_sid=SID, life=LIFE, asked_by="t1", due_at=due_at, to="+15550100", text="hello"
    )


async def written(schedule: Schedule, *items: ScheduledItem, removed: tuple[str, ...] = ()) -> None:
    """Write these items of a call, and remove those of these ids."""
    await schedule.write(items[0].call_sid if items else SID, ScheduleChanges(items, removed))


async def claimed(schedule: Schedule, holder: str = "anna", call_sid: str = SID) -> ScheduledRun:
    """Claim what is due of the call. Fail unless that is one item."""
    (run,) = await schedule.claim(call_sid, holder, ROOM)
    return run


async def ids(schedule: Schedule, room: dict[str, int] | None = None, holder: str = "anna") -> list[str]:
    """Claim what is due of the call, and return the ids."""
    return [run.item.item_id for run in await schedule.claim(SID, holder, ROOM if room is None else room)]


class ScheduleContract:
    """Subclass it with a name that begins with `Test`, and override the fixture and the two methods."""

    @pytest.fixture
    def schedule(self) -> Schedule:
        """Return an empty schedule."""
        raise NotImplementedError("override the fixture `schedule` with one that gives your schedule")

    async def expire(self, schedule: Schedule, lease: ItemLease) -> None:
        """Make the lease run out, as if its holder had not renewed it."""
        raise NotImplementedError("override `expire`")

    async def told(self, schedule: Schedule, call_sid: str) -> list[str]:
        """Return the types of the events in the call's outbox."""
        raise NotImplementedError("override `told`")

    # When a call is looked at.

    async def test_a_call_is_due_when_its_first_item_is(self, schedule: Schedule) -> None:
        assert await schedule.due() == []
        await written(schedule, a_timer("timer-1", 3600), a_timer("timer-2"))
        await schedule.wait_until_due()
        assert await schedule.due() == [SID]

    async def test_a_call_that_was_due_is_not_due_again_at_once(self, schedule: Schedule) -> None:
        await written(schedule, a_timer())
        assert await schedule.due() == [SID]
        assert await schedule.due() == []
        assert schedule.first_due is not None, "it is looked at again, should nobody claim"

    async def test_a_call_whose_items_lie_ahead_is_not_due(self, schedule: Schedule) -> None:
        await written(schedule, a_timer(in_seconds=3600))
        assert await schedule.due() == []
        assert await schedule.claim(SID, "anna", ROOM) == []
        assert schedule.first_due == pytest.approx(clock.now() + 3600, abs=60)

    async def test_no_more_calls_are_due_than_were_asked_for(self, schedule: Schedule) -> None:
        for call_sid in ("CA1", "CA2", "CA3"):
            await written(schedule, a_timer(call_sid=call_sid))
        first = await schedule.due(2)
        assert len(first) == 2
        assert sorted([*first, *await schedule.due(2)]) == ["CA1", "CA2", "CA3"]

    async def test_a_call_with_nothing_left_is_due_no_more(self, schedule: Schedule) -> None:
        await written(schedule, a_timer())
        await schedule.due()
        assert await schedule.settle(await claimed(schedule))
        assert await schedule.claim(SID, "anna", ROOM) == []
        while schedule.first_due is not None:
            await schedule.wait_until_due()
            assert await schedule.due() == []

    # Claims.

    async def test_an_item_comes_as_it_was_written(self, schedule: Schedule) -> None:
        items = a_timer("timer-1", -3), an_activity(in_seconds=-2), a_message(in_seconds=-1)
        await written(schedule, *items)
        runs = await schedule.claim(SID, "anna", ROOM)
        assert [run.item for run in runs] == list(items), "in the order in which they were due"
        assert [(run.attempt, run.failures, run.posting_since) for run in runs] == 3 * [(1, 0, None)]
        assert [(run.lease.holder, run.lease.call_sid, run.lease.item_id) for run in runs] == [
            ("anna", SID, item.item_id) for item in items
        ]

    async def test_nobody_else_gets_what_is_claimed(self, schedule: Schedule) -> None:
        await written(schedule, a_timer())
        await claimed(schedule)
        assert await ids(schedule, holder="ben") == []
        assert await ids(schedule, holder="anna") == []

    async def test_a_claim_takes_no_more_of_a_kind_than_there_is_room_for(self, schedule: Schedule) -> None:
        await written(schedule, an_activity("a1", -2), an_activity("a2", -3), a_timer("t1"))
        assert await ids(schedule, {"activity": 1}) == ["a2"], "the first that was due"
        assert await ids(schedule, {"activity": 0}) == []
        assert await ids(schedule, {}) == []
        assert await ids(schedule, holder="ben") == ["a1", "t1"]

    async def test_others_look_soon_at_what_there_is_no_room_for(self, schedule: Schedule) -> None:
        await written(schedule, an_activity())
        assert await ids(schedule, {"activity": 0}) == []
        async with asyncio.timeout(60):
            while await schedule.due() != [SID]:
                await schedule.wait_until_due()

    async def test_a_lease_that_ran_out_goes_to_the_next(self, schedule: Schedule) -> None:
        await written(schedule, a_timer())
        lost = await claimed(schedule)
        await self.expire(schedule, lost.lease)
        again = await claimed(schedule, "ben")
        assert (again.attempt, again.failures) == (2, 0)
        assert again.lease.epoch > lost.lease.epoch
        (left,) = await schedule.renew([lost.lease, again.lease])
        assert (left.lease, left.is_cancelled) == (lost.lease, False)
        assert not await schedule.settle(lost)
        assert not await schedule.fail(lost, clock.now())
        assert not await schedule.mark_posting(lost)
        assert await schedule.settle(again)

    async def test_a_lease_that_ran_out_holds_until_another_has_it(self, schedule: Schedule) -> None:
        await written(schedule, a_timer())
        run = await claimed(schedule)
        await self.expire(schedule, run.lease)
        assert await schedule.renew([run.lease]) == []
        assert await ids(schedule, holder="ben") == []
        assert await schedule.settle(run)

    async def test_what_is_settled_is_never_claimed_or_written_again(self, schedule: Schedule) -> None:
        await written(schedule, a_message())
        run = await claimed(schedule)
        assert await schedule.settle(run)
        assert not await schedule.settle(run)
        await written(schedule, a_message())
        assert await ids(schedule) == []

    async def test_writing_again_changes_nothing(self, schedule: Schedule) -> None:
        await written(schedule, a_timer())
        run = await claimed(schedule)
        await written(schedule, a_timer())
        assert await ids(schedule) == []
        assert await schedule.settle(run)

    # Giving back.

    async def test_what_failed_is_due_again_when_it_says(self, schedule: Schedule) -> None:
        await written(schedule, an_activity())
        run = await claimed(schedule)
        assert await schedule.fail(run, clock.now() + 3600)
        assert await ids(schedule) == []
        assert await schedule.renew([run.lease]) != []
        await self.expire(schedule, run.lease)
        again = await claimed(schedule, "ben")
        assert (again.attempt, again.failures) == (2, 1)
        assert await schedule.fail(again, clock.now())
        assert (await claimed(schedule)).failures == 2

    async def test_what_is_released_is_due_at_once_and_was_no_attempt(self, schedule: Schedule) -> None:
        await written(schedule, an_activity())
        await schedule.release([await claimed(schedule)])
        await schedule.wait_until_due()
        assert await schedule.due() == [SID]
        again = await claimed(schedule, "ben")
        assert (again.attempt, again.failures) == (1, 0)

    # Taking back.

    async def test_what_is_removed_is_cancelled_where_it_is_carried_out(self, schedule: Schedule) -> None:
        await written(schedule, a_timer("timer-1"), an_activity("a1"), a_message("m1"))
        runs = await schedule.claim(SID, "anna", ROOM)
        await written(schedule, removed=("timer-1", "a1"))
        lost = await schedule.renew([run.lease for run in runs])
        assert sorted((one.lease.item_id, one.is_cancelled) for one in lost) == [("a1", True), ("timer-1", True)]
        settled = {run.item.item_id: await schedule.settle(run) for run in runs}
        assert settled == {"timer-1": False, "a1": False, "m1": True}

    async def test_what_is_removed_is_not_claimed(self, schedule: Schedule) -> None:
        await written(schedule, a_timer("timer-1", 3600), a_timer("timer-2"))
        await written(schedule, removed=("timer-2",))
        assert await ids(schedule) == []

    async def test_a_change_may_remove_and_add_at_once(self, schedule: Schedule) -> None:
        await written(schedule, a_timer("timer-1", 3600))
        await written(schedule, a_timer("timer-2"), removed=("timer-1",))
        assert await ids(schedule) == ["timer-2"]

    # What must not happen twice.

    async def test_whoever_claims_next_is_told_that_it_may_have_happened(self, schedule: Schedule) -> None:
        await written(schedule, a_message())
        run = await claimed(schedule)
        before = clock.now()
        assert await schedule.mark_posting(run)
        await self.expire(schedule, run.lease)
        again = await claimed(schedule, "ben")
        assert again.posting_since == pytest.approx(before, abs=60)
        while clock.now() < before + 0.01:  # times are whole milliseconds
            await asyncio.sleep(0.001)
        assert await schedule.mark_posting(again)
        assert await schedule.fail(again, clock.now())
        assert (await claimed(schedule)).posting_since == again.posting_since, "since the first time"

    async def test_what_surely_did_not_happen_is_not_marked(self, schedule: Schedule) -> None:
        await written(schedule, a_message())
        run = await claimed(schedule)
        assert await schedule.mark_posting(run)
        assert await schedule.fail(run, clock.now(), is_undone=True)
        assert (await claimed(schedule)).posting_since is None

    async def test_a_name_is_given_to_one_item_of_a_call(self, schedule: Schedule) -> None:
        await written(schedule, a_message("m1"), a_message("m2"))
        one, other = await schedule.claim(SID, "anna", ROOM)
        assert await schedule.settle(one, name="SM1")
        assert not await schedule.settle(other, name="SM1")
        assert await schedule.renew([other.lease]) == []
        assert await schedule.settle(other, name="SM2")

    async def test_what_is_told_is_told_with_the_settlement(self, schedule: Schedule) -> None:
        state = ConversationState(call_sid=SID)
        await written(schedule, a_message())
        run = await claimed(schedule)
        told = announcement(head_of(state), an_event("sent"))
        assert await schedule.settle(run, told)
        assert await self.told(schedule, SID) == ["turn.completed"]
        assert not await schedule.settle(run, told)
        assert await self.told(schedule, SID) == ["turn.completed"]
