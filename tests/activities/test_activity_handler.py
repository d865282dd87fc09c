"""An activity is run until it has a result, or has failed often enough, and its turn is submitted."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.activities.activity_handler import MISSING_SECONDS, MOST_LOST, ActivityHandler
from orchestrator.activities.activity_threads import ActivityThreads
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, StoreUnavailable, TurnRejected
from orchestrator.events.call_events import CallEvents
from orchestrator.schedule.item import ActivityItem
from orchestrator.schedule.schedule import ItemLease, ScheduledRun

sys.path.insert(0, str(Path(__file__).parent))
import activity_functions as functions


@dataclass
class Seen:
    """A schedule and a turn store that note what is asked of them."""

    errors: list[Exception] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    settled: list[Any] = field(default_factory=list)
    retried_at: list[float] = field(default_factory=list)
    released: list[ScheduledRun] = field(default_factory=list)

    async def submit(self, turn: Turn, **_: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.turns.append(turn)

    async def settle(self, run: ScheduledRun, announcement: Any = None, *, name: str = "") -> bool:
        self.settled.append(announcement)
        return True

    async def release(self, runs: Sequence[ScheduledRun]) -> None:
        self.released += runs

    async def fail(self, run: ScheduledRun, retry_at: float, *, is_undone: bool = False) -> bool:
        self.retried_at.append(retry_at)
        return True


def run_of(function: str, *, retries: int = 0, timeout: float = 60, **args: object) -> ScheduledRun:
    item = ActivityItem(
        item_id="activity-1", call_sid="CA1", life="2026-11-27T00:00:00Z", asked_by="turn-1", due_at=clock.utc_now(),
        name="look up", function=f"activity_functions:{function}", args=args, timeout_seconds=timeout,
        retries=retries,
    )  # fmt: skip
    return ScheduledRun(item, ItemLease("CA1", item.item_id, "here", 1))


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def handler(seen: Seen) -> AsyncIterator[ActivityHandler]:
    functions.BLOCKED.clear()
    threads = ActivityThreads()
    events = CallEvents(frozenset({"activity.failed"}), ("file",), "agent", "1")
    yield ActivityHandler(seen, seen, threads, events, most_at_once=2, version="1", crowded_seconds=0.01)  # type: ignore[arg-type]
    functions.BLOCKED.set()
    await wait_until(lambda: not threads.stuck, "what was stuck has ended")
    threads.close()


async def test_a_result_is_a_turn_and_the_activity_is_settled(handler: ActivityHandler, seen: Seen) -> None:
    await handler.carry_out(run_of("add", a=1, b=2))
    (turn,) = seen.turns
    assert (turn.turn_id, turn.kind, turn.text, turn.data) == (
        "~activity-1", "activity", "look up", {"result": 3},
    )  # fmt: skip
    assert seen.settled == [None]


async def test_a_failure_is_tried_again_later_and_later(handler: ActivityHandler, seen: Seen) -> None:
    run = run_of("raising", words="secret words", retries=2)
    for failures in (0, 1):
        await handler.carry_out(replace(run, attempt=failures + 1, failures=failures))
    assert (seen.turns, seen.settled) == ([], [])
    pauses = [at - clock.now() for at in seen.retried_at]
    assert pauses[0] < pauses[1]


async def test_the_last_failure_is_a_turn_with_the_class_of_the_error_and_not_its_text(
    handler: ActivityHandler, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await handler.carry_out(replace(run_of("raising", words="secret words", retries=2), attempt=3, failures=2))
    (turn,) = seen.turns
    assert turn.data == {"error": "KeyError"}
    assert len(seen.settled) == 1
    assert "secret words" not in caplog.text
    assert "secret words" not in turn.model_dump_json()


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("object_", "BadActivity"),
        ("long_text", "BadActivity"),
        ("nested", "BadActivity"),
        ("nothing_there", "BadActivity"),
        ("leaving", "SystemExit"),
    ],
)
async def test_whatever_goes_wrong_has_a_class(handler: ActivityHandler, seen: Seen, function: str, kind: str) -> None:
    await handler.carry_out(run_of(function))
    assert seen.turns[0].data == {"error": kind}


async def test_a_run_that_takes_too_long_fails(handler: ActivityHandler, seen: Seen) -> None:
    await handler.carry_out(run_of("waiting", timeout=0.05))
    assert seen.turns[0].data == {"error": "TimeoutError"}


async def test_an_activity_that_was_lost_with_its_workers_too_often_is_given_up(
    handler: ActivityHandler, seen: Seen
) -> None:
    await handler.carry_out(replace(run_of("add", a=1, b=1), attempt=MOST_LOST + 2))
    assert seen.turns[0].data == {"error": "WorkerLost"}


async def test_a_call_that_is_over_drops_the_result_and_says_so(handler: ActivityHandler, seen: Seen) -> None:
    seen.errors.append(CallEnded())
    await handler.carry_out(run_of("add", a=1, b=2))
    (announcement,) = seen.settled
    data = announcement.events[0].event.data
    assert (announcement.events[0].event.type, data["activity"], data["class"]) == (
        "activity.failed", "look up", "call_ended",
    )  # fmt: skip


async def test_a_call_without_room_gets_the_result_later_and_the_function_runs_once(
    handler: ActivityHandler, seen: Seen
) -> None:
    seen.errors += [TurnRejected(), TurnRejected()]
    await handler.carry_out(run_of("now"))
    assert len(seen.turns) == 1


async def test_an_outage_of_the_store_does_not_run_the_function_again(handler: ActivityHandler, seen: Seen) -> None:
    seen.errors += [StoreUnavailable("down"), StoreUnavailable("down")]
    await handler.carry_out(run_of("now"))
    assert len(seen.turns) == len(seen.settled) == 1


async def test_a_function_that_other_code_has_is_left_to_its_workers_for_a_while(
    handler: ActivityHandler, seen: Seen
) -> None:
    run = run_of("nothing_there")
    of_others = replace(run, item=run.item.model_copy(update={"worker_version": "2"}))
    await handler.carry_out(of_others)
    assert (seen.released, seen.turns) == ([of_others], [])
    long_ago = clock.utc_now() - timedelta(seconds=MISSING_SECONDS)
    await handler.carry_out(replace(run, item=of_others.item.model_copy(update={"due_at": long_ago})))
    await handler.carry_out(replace(run, item=run.item.model_copy(update={"worker_version": "1"})))
    assert [turn.data for turn in seen.turns] == [{"error": "BadActivity"}] * 2


async def test_what_runs_and_what_is_stuck_takes_room(handler: ActivityHandler, seen: Seen) -> None:
    running = asyncio.create_task(handler.carry_out(run_of("blocking")))
    await wait_until(lambda: handler.room == 1, "it runs")
    await asyncio.sleep(0.05)
    running.cancel("cancelled")
    await asyncio.wait({running})
    assert handler.room == 1
    functions.BLOCKED.set()
    await wait_until(lambda: handler.room == 2, "it has returned")
    assert (seen.turns, seen.settled) == ([], [])
