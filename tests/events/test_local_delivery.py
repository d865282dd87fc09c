"""The events of a process without Redis: written by its turns, and delivered to a file."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.passing_time import moving_clock
from support.told_events import whole_lines
from support.waiting import wait_until

from orchestrator.dispatch.opening import open_runtime
from orchestrator.errors import CallEnded, UnknownCall
from orchestrator.events.call_events import CallEvents
from orchestrator.events.sinks.json_lines import JsonLinesSink
from orchestrator.runtime import Runtime
from orchestrator.settings import load_settings
from orchestrator.testing.example_turns import OPENING, a_turn, answered, claimed, commit
from orchestrator.turns.memory_announcing import MemoryAnnouncing
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.store import Claim

ALL = "call.started,turn.completed,call.transferred,turn.failed,call.ended"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture(autouse=True)
def pass_time():
    with moving_clock() as pass_time:
        yield pass_time


@asynccontextmanager
async def process(path: Path | None, **settings: Any) -> AsyncIterator[Runtime]:
    """A process that runs the calls itself, with the agent `echo`."""
    given = {"use_redis": False, "agent": "echo", **settings}
    if path is not None:
        given |= {"events_file": str(path), "events": ALL}
    async with open_runtime(load_settings(_env_file=None, **given)) as runtime:
        yield runtime


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(path)]


def types(path: Path) -> list[str]:
    return [event["type"] for event in told(path)]


async def say(runtime: Runtime, turn_id: str, text: str = "hello", *, channel: str = "gather", **turn: Any) -> None:
    """Have a turn run."""
    pending = await runtime.dispatcher.submit(a_turn(turn_id, text=text, **turn), opening={"channel": channel})
    assert await pending.wait(60) is not None


async def hang_up(runtime: Runtime, turn_id: str = "end") -> None:
    """Say what a provider says at the end of a call."""
    pending = await runtime.dispatcher.submit(a_turn(turn_id, kind="ended", text="completed"))
    assert await pending.wait(60) is not None


async def none_left(runtime: Runtime) -> bool:
    return await runtime.outbox.calls() == ([], "")


def ends(path: Path, count: int = 1) -> Callable[[], bool]:
    return lambda: types(path).count("call.ended") == count


async def test_a_call_is_told_from_its_beginning_to_its_end(path) -> None:
    async with process(path) as runtime:
        await say(runtime, "t1")
        await say(runtime, "t2", "again")
        await hang_up(runtime)
        await wait_until(ends(path), "the end was told")
        await wait_until(lambda: none_left(runtime), "that was settled")
    assert types(path) == ["call.started", "turn.completed", "turn.completed", "turn.completed", "call.ended"]
    assert [event["data"]["seq"] for event in told(path)] == [1, 2, 3, 4, 5]
    record = told(path)[-1]["data"]
    assert [turn["text"] for turn in record["turns"]][:2] == ["hello", "again"]
    assert record["status"] == "completed"


async def test_a_call_that_the_agent_ended_is_told_when_the_provider_says_that_it_is_over(path) -> None:
    async with process(path) as runtime:
        await say(runtime, "t1", "bye")
        await wait_until(lambda: "turn.completed" in types(path), "the turn was told")
        with pytest.raises(CallEnded):
            await hang_up(runtime)
        await wait_until(ends(path), "the end was told")
        with pytest.raises(CallEnded):
            await hang_up(runtime, "end again")
    assert types(path).count("call.ended") == 1


async def test_a_call_that_the_agent_ended_is_told_though_the_provider_says_nothing(path, pass_time) -> None:
    async with process(path) as runtime:
        await say(runtime, "t1", "bye")
        await wait_until(lambda: "turn.completed" in types(path), "the turn was told")
        assert "call.ended" not in types(path)
        pass_time(31)
        await wait_until(ends(path), "the end was told")
    assert told(path)[-1]["data"]["reason"] == "agent hung up"


async def test_a_text_conversation_ends_with_the_agents_last_word(path) -> None:
    async with process(path) as runtime:
        await say(runtime, "t1", "bye", channel="api")
        await wait_until(ends(path), "the end was told")


async def test_a_call_that_is_deleted_has_a_partial_end(path, pass_time) -> None:
    async with process(path) as runtime:
        await say(runtime, "t1")
        await runtime.dispatcher.erase("CA1")
        await runtime.states.delete_state("CA1")
        await wait_until(lambda: pass_time(1) or ends(path)(), "the end was told")
    assert told(path)[-1]["data"]["partial"] is True


async def test_a_call_that_was_begun_again_under_its_sid_is_told_as_another(path, pass_time) -> None:
    async with process(path) as runtime:
        for number in (1, 2):
            await say(runtime, "t1", channel="api")
            await runtime.states.delete_state("CA1")
            await wait_until(lambda: pass_time(5) or ends(path, number)(), "the end was told")  # noqa: B023
    lives = {event["data"].get("started_at") for event in told(path) if event["type"] == "call.started"}
    assert len(lives) == 2
    assert [event["data"]["seq"] for event in told(path)] == [1, 2, 3, 1, 2, 3]


async def test_a_process_that_ends_delivers_what_it_has(path) -> None:
    async with process(path) as runtime:
        await say(runtime, "t1")
        await hang_up(runtime)
    assert types(path)[-1] == "call.ended"


async def test_a_process_ends_though_its_sink_cannot_be_closed(path, monkeypatch) -> None:
    async def hangs(sink: JsonLinesSink) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(JsonLinesSink, "close", hangs)
    async with asyncio.timeout(60):
        async with process(path) as runtime:
            await say(runtime, "t1")
    assert "turn.completed" in types(path)


async def test_an_end_of_a_call_that_nobody_knows_is_not_told(path) -> None:
    async with process(path) as runtime:
        with pytest.raises(UnknownCall):
            await hang_up(runtime)
        assert await runtime.outbox.calls() == ([], "")
    assert told(path) == []


async def test_a_process_without_sinks_keeps_no_events() -> None:
    async with process(None) as runtime:
        await say(runtime, "t1")
        assert (runtime.outbox, runtime.outbox_watch) == (None, None)


async def test_a_commit_that_is_repeated_is_told_once(path) -> None:
    """The store failed after it was written, so the runner commits again what the state holds already."""
    async with process(path) as runtime:
        events = CallEvents.of(runtime.settings)
        store = InMemoryTurnStore(runtime.states, announcing=MemoryAnnouncing(runtime.outbox, events))
        await store.submit(a_turn("t1"), opening=OPENING)
        claim: Claim = await claimed(store)
        await store.submit(a_turn("t2"))
        await commit(store, claim)
        state, record = answered(claim)
        again = await store.commit(claim, state, record)
        assert again.status == "conflict"
        assert (await store.commit(claim, again.state, record)).status == "committed"
        await wait_until(lambda: "turn.completed" in types(path), "the turn was told")
    assert types(path) == ["call.started", "turn.completed"]


async def test_a_call_that_the_rollout_leaves_in_memory_is_delivered_by_its_process(path, redis_url) -> None:
    async with process(path, use_redis=True, redis_url=redis_url, redis_rollout_percent=0) as runtime:
        await say(runtime, "t1")
        await hang_up(runtime)
        await wait_until(ends(path), "the end was told")
    assert types(path) == ["call.started", "turn.completed", "turn.completed", "call.ended"]


async def test_a_placed_call_that_nobody_answers_is_told(path) -> None:
    async with process(path) as runtime:
        state = await runtime.states.create_state("CA1", channel="gather", direction="outbound-api")
        await runtime.dispatcher.accept(state)
        await runtime.dispatcher.accept(state)
        await runtime.dispatcher.submit(a_turn("end", kind="ended", text="no-answer"))
        await wait_until(ends(path), "the end was told")
    assert [event["type"] for event in told(path)] == ["call.started", "turn.completed", "call.ended"]
    assert told(path)[-1]["data"]["status"] == "no-answer"
