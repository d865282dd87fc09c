"""How agents are run: apart from each other, bounded, and closed in time."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop

from orchestrator.agents.agent_run import AgentRun
from orchestrator.agents.host import AgentHost
from orchestrator.agents.part_queue import CAPACITY
from orchestrator.agents.protocol import Agent, Isolation
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import AgentsStuck, BadReply
from orchestrator.tasks import cancel_and_wait

TURN = Turn(turn_id="1", call_sid="CA1", kind="speech", text="hello")
PATIENCE_SECONDS = 60
PROBE_SECONDS = 0.3
"""Long enough that a thread which a busy machine starves is not taken for a blocked one."""
both = pytest.mark.parametrize("isolation", ["inline", "thread"])
_asked_by: ContextVar[str] = ContextVar("asked_by", default="nobody")


@pytest.fixture
async def host() -> AsyncIterator[AgentHost]:
    async with AgentHost(probe_seconds=PROBE_SECONDS) as host:
        yield host


@pytest.fixture
def state() -> ConversationState:
    return ConversationState(call_sid="CA1", slots={"seen": []})


@pytest.fixture
def block() -> Any:
    """What an agent blocks on, until the test lets it go; every block ends with the test."""
    event = threading.Event()
    yield event
    event.set()


def agent(reply: Callable[..., Any], isolation: Isolation = "thread") -> Agent:
    return Agent("test", reply, isolation=isolation)


async def parts(run: AgentRun) -> list[Any]:
    async with run, asyncio.timeout(PATIENCE_SECONDS):
        return [part async for part in run]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


async def hello(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    state.slots["seen"].append(turn.text)
    state.phase = "greeted"
    yield "Hello. "
    await asyncio.sleep(0)
    yield HangUp()


@both
async def test_parts_come_in_order_and_the_state_after_them(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    run = host.run(agent(hello, isolation), TURN, state)
    assert await parts(run) == ["Hello. ", HangUp()]
    assert (run.state.phase, run.state.slots) == ("greeted", {"seen": ["hello"]})
    assert (state.phase, state.slots) == ("", {"seen": []}), "the agent had a copy"


@both
async def test_an_agent_sees_the_context_of_who_asks_for_its_parts_and_changes_its_own(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    seen: list[str] = []

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        seen.append(_asked_by.get())
        if isolation == "thread":
            _asked_by.set("the agent")
        yield "Hello."

    for name in ("one", "two"):
        _asked_by.set(name)
        await parts(host.run(agent(reply, isolation), TURN, state))
        assert _asked_by.get() == name
    assert seen == ["one", "two"]


async def test_agents_in_a_thread_share_one_loop_that_is_not_the_callers(
    host: AgentHost, state: ConversationState
) -> None:
    loops = set()

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        loops.add(asyncio.get_running_loop())
        yield threading.current_thread().name

    names = [await parts(host.run(agent(reply), TURN, state)) for _ in range(3)]
    assert len(loops) == 1
    assert asyncio.get_running_loop() not in loops
    assert names == [["agents-1"]] * 3


@both
async def test_what_the_agent_raises_comes_out_unchanged(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    error = KeyError("lost")

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        state.phase = "half done"
        yield "Well, "
        raise error

    run = host.run(agent(reply, isolation), TURN, state)
    assert await anext(run) == "Well, "
    with pytest.raises(KeyError) as raised:
        await parts(run)
    assert raised.value is error
    assert run.state.phase == ""


async def a_coroutine(turn: Turn, state: ConversationState) -> str:
    return "hello"


async def rubbish(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    yield {"text": "hello"}


async def half_a_pair(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    yield "\ud83d"


async def no_json(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    state.slots["lock"] = object()
    yield "hello"


async def no_phase(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    state.phase = None  # type: ignore[assignment]
    yield "hello"


async def exiting(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    yield "hello"
    raise SystemExit(1)


async def self_cancelled(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    yield "hello"
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


@both
@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (a_coroutine, "test returned coroutine. Make it an async generator"),
        (lambda turn, state: "hello", "test returned str"),
        (rubbish, "The agent yielded dict. Yield text (str) and actions such as HangUp()."),
        (half_a_pair, "which is not Unicode"),
        (no_json, "something in the slots that is not JSON"),
        (no_phase, "a phase that is not a str"),
        (exiting, "tried to end the process (SystemExit)"),
        (self_cancelled, "let a CancelledError out"),
    ],
)
async def test_rubbish_is_named(
    host: AgentHost, state: ConversationState, isolation: Isolation, reply: Any, sentence: str
) -> None:
    run = host.run(agent(reply, isolation), TURN, state)
    with pytest.raises(BadReply) as raised:
        await parts(run)
    assert sentence in str(raised.value)
    assert run.state is state


@both
async def test_closing_early_runs_the_agents_finally(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    tidied = threading.Event()

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        try:
            state.phase = "half done"
            yield "one"
            await asyncio.sleep(3600)
            yield "two"
        finally:
            await asyncio.sleep(0)
            tidied.set()

    async with host.run(agent(reply, isolation), TURN, state) as run:
        assert await anext(run) == "one"
    assert tidied.is_set()
    assert run.state is state
    await run.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(run)


@both
async def test_cancelling_who_waits_for_a_part_cancels_the_agent(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    begun, tidied = threading.Event(), threading.Event()

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        try:
            begun.set()
            await asyncio.sleep(3600)
            yield "never"
        finally:
            tidied.set()

    run = host.run(agent(reply, isolation), TURN, state)
    waiting = asyncio.ensure_future(anext(run))  # type: ignore[arg-type]
    await until(begun.is_set)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(tidied.is_set)
    await run.aclose()


async def test_an_agent_cancelled_before_its_first_step_leaves_nothing_behind(
    host: AgentHost, state: ConversationState
) -> None:
    for _ in range(50):
        waiting = asyncio.create_task(parts(host.run(agent(hello), TURN, state)))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    assert await parts(host.run(agent(hello), TURN, state)) == ["Hello. ", HangUp()]


@both
@pytest.mark.parametrize("is_waiting", [True, False], ids=["asked for a part", "between parts"])
async def test_what_a_stopped_agent_had_changed_is_there_to_be_kept(
    host: AgentHost, state: ConversationState, isolation: Isolation, is_waiting: bool
) -> None:
    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        state.phase = "asked"
        state.slots["seen"].append("before")
        yield "Is that right?"
        await asyncio.sleep(3600)
        state.slots["seen"].append("after")

    run = host.run(agent(reply, isolation), TURN, state)
    assert run.state_when_stopped is state, "nothing has run"
    assert await anext(run) == "Is that right?"
    if is_waiting:
        waiting = asyncio.ensure_future(anext(run))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await cancel_and_wait(waiting)
    await run.aclose()
    kept = run.state_when_stopped
    assert (kept.phase, kept.slots) == ("asked", {"seen": ["before"]})
    assert (run.state, state.slots) == (state, {"seen": []})


@both
async def test_nothing_is_kept_of_a_stopped_agent_that_raised_or_left_no_json(
    host: AgentHost, state: ConversationState, isolation: Isolation, caplog: pytest.LogCaptureFixture
) -> None:
    async def raising(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        try:
            state.phase = "half done"
            yield "one"
            await asyncio.sleep(3600)
        finally:
            raise KeyError("lost")

    async def leaving_rubbish(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        state.slots["lock"] = object()
        yield "one"
        await asyncio.sleep(3600)

    for reply in (raising, leaving_rubbish):
        async with host.run(agent(reply, isolation), TURN, state) as run:
            assert await anext(run) == "one"
        assert run.state_when_stopped is state
    assert "is not JSON" in caplog.text


@both
async def test_closing_does_not_wait_for_an_agent_that_swallows_its_cancellation(
    host: AgentHost, state: ConversationState, isolation: Isolation, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = threading.Event()
    ended = threading.Event()

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.sleep(3600)
        finally:
            while not let_go.is_set():
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
            ended.set()

    async with host.run(agent(reply, isolation), TURN, state) as run:
        await anext(run)
    assert not ended.is_set()
    assert run.state_when_stopped is state, "it may still change its copy"
    assert "ignores its cancellation" in caplog.text
    let_go.set()
    await until(ended.is_set)


async def test_a_flooding_agent_is_held_back(host: AgentHost, state: ConversationState) -> None:
    given = 0

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        nonlocal given
        while True:
            given += 1
            yield "x"

    async with host.run(agent(reply), TURN, state) as run:
        for taken in range(1, 10 * CAPACITY):
            assert await anext(run) == "x"
            assert given <= taken + CAPACITY + 1
        await until(lambda: given >= taken + CAPACITY // 2)
        # The agent waits; another one has the thread to itself.
        assert await parts(host.run(agent(hello), TURN, state)) == ["Hello. ", HangUp()]


async def test_a_blocking_agent_does_not_hold_up_the_others(
    host: AgentHost, state: ConversationState, block: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[str] = []
    blocked = threading.Event()

    async def blocking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        runs.append("blocking")
        yield "Wait. "
        blocked.set()
        block.wait()
        yield "There."

    async def waiting(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        state.slots["seen"].append("here")
        runs.append("waiting")
        await until(blocked.is_set)
        yield threading.current_thread().name

    blocker = host.run(agent(blocking), TURN, state)
    run = host.run(agent(waiting), TURN, state)
    victim = asyncio.create_task(parts(run))
    await until(lambda: runs == ["waiting"])
    assert await anext(blocker) == "Wait. "
    assert await asyncio.wait_for(victim, PATIENCE_SECONDS) == ["agents-2"]
    assert run.state.slots == {"seen": ["here"]}, "the second run had a copy of its own"
    assert runs == ["waiting", "blocking", "waiting"], "the blocking turn is not run again"
    assert host.stuck_threads == 1
    assert "test_host.py" in next(r.where for r in caplog.records if r.action == "agent.blocked")  # type: ignore[attr-defined]
    # Once the block ends, its turn goes on where it was, and its thread ends.
    block.set()
    assert await parts(blocker) == ["There."]
    await until(lambda: host.stuck_threads == 0)


async def test_a_turn_that_has_spoken_stays_and_goes_on_after_the_block(
    host: AgentHost, state: ConversationState, block: threading.Event
) -> None:
    runs = 0

    async def speaking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        nonlocal runs
        runs += 1
        yield "First. "
        await asyncio.sleep(0.01)
        yield "Second."

    async def blocking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        block.wait()
        yield "x"

    speaker = host.run(agent(speaking), TURN, state)
    assert await anext(speaker) == "First. "
    blocked = asyncio.create_task(parts(host.run(agent(blocking), TURN, state)))
    await until(lambda: host.stuck_threads == 1)
    block.set()
    assert (await parts(speaker), await blocked, runs) == (["Second."], ["x"], 1)


async def test_a_task_that_an_agent_started_is_known_as_the_agents(
    host: AgentHost, state: ConversationState, block: threading.Event
) -> None:
    runs = 0

    async def sleepy() -> None:
        block.wait()

    async def blocking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        nonlocal runs
        runs += 1
        await asyncio.gather(sleepy())
        yield "done"

    waiting = asyncio.create_task(parts(host.run(agent(blocking), TURN, state)))
    await until(lambda: host.stuck_threads == 1)
    block.set()
    assert (await waiting, runs) == (["done"], 1)


async def test_closing_a_turn_that_blocks_is_bounded(
    host: AgentHost, state: ConversationState, block: threading.Event
) -> None:
    async def blocking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        time.sleep(0)
        block.wait()
        yield "x"

    async with host.run(agent(blocking), TURN, state) as run:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(run)
    assert not block.is_set(), "closing came back while the agent blocked"
    assert await parts(host.run(agent(hello), TURN, state)) == ["Hello. ", HangUp()]


async def test_too_many_blocked_threads_refuse_new_turns_until_one_ends(
    state: ConversationState, block: threading.Event
) -> None:
    async def blocking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        block.wait()
        yield "x"

    async with AgentHost(probe_seconds=PROBE_SECONDS, max_stuck_threads=2) as host:
        tasks = [asyncio.create_task(parts(host.run(agent(blocking), TURN, state))) for _ in range(3)]
        await until(lambda: host.stuck_threads == 2)
        with pytest.raises(AgentsStuck):
            await parts(host.run(agent(hello), TURN, state))
        block.set()
        assert await asyncio.gather(*tasks) == [["x"]] * 3
        await until(lambda: host.stuck_threads == 0)
        assert await parts(host.run(agent(hello), TURN, state)) == ["Hello. ", HangUp()]


async def test_leaving_the_host_ends_its_agents_and_threads(state: ConversationState) -> None:
    tidied = threading.Event()

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        forgotten.append(asyncio.create_task(asyncio.sleep(3600)))
        try:
            yield "one"
            await asyncio.sleep(3600)
        finally:
            tidied.set()

    forgotten: list[asyncio.Task[None]] = []
    before = threading.active_count()
    async with AgentHost() as host:
        run = host.run(agent(reply), TURN, state)
        assert await anext(run) == "one"
    assert tidied.is_set()
    assert forgotten[0].cancelled()
    await until(lambda: threading.active_count() == before)
    await run.aclose()


async def test_an_exit_in_a_task_of_an_agent_leaves_the_other_agents_alone(
    host: AgentHost, state: ConversationState, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        task = asyncio.create_task(leave())
        await asyncio.wait({task})
        assert isinstance(task.exception(), SystemExit)
        yield "still here"

    caplog.set_level(logging.WARNING)
    assert await parts(host.run(agent(reply), TURN, state)) == ["still here"]
    assert "tried to end the process" in caplog.text


def test_under_uvloop_agents_run_in_such_a_loop_and_are_as_well_protected(
    state: ConversationState, block: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async def blocking(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        yield "Well, "
        block.wait(PATIENCE_SECONDS)
        yield type(asyncio.get_running_loop()).__module__

    async def leaving(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        task = asyncio.create_task(leave())
        await asyncio.wait({task})
        yield f"{type(task.exception()).__name__} in {type(asyncio.get_running_loop()).__module__}"

    async def leave() -> None:
        raise SystemExit(3)

    async def serve() -> tuple[list[Any], list[Any]]:
        async with AgentHost(probe_seconds=PROBE_SECONDS) as host:
            run = host.run(agent(blocking), TURN, state)
            began = await anext(run)
            await until(lambda: host.stuck_threads == 1)
            left = await parts(host.run(agent(leaving), TURN, state))
            block.set()
            return left, [began, *await parts(run)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        left, spoken = runner.run(serve())
    assert left == ["SystemExit in uvloop"]
    assert spoken == ["Well, ", "uvloop"]
    assert "tried to end the process" in caplog.text


@both
async def test_what_nobody_can_say_is_neither_said_nor_kept(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        for piece in ("<th", "ink>Secret", " plan.</think>", "**Four", ".** ", "<think>Again", "</think>"):
            yield piece
        yield HangUp()

    assert await parts(host.run(agent(reply, isolation), TURN, state)) == ["Four", ". ", HangUp()]


@both
async def test_an_agent_without_the_filter_is_heard_as_it_is(
    host: AgentHost, state: ConversationState, isolation: Isolation
) -> None:
    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
        yield "**Four** <think>"

    raw = Agent("test", reply, isolation=isolation, speech_filter=False)
    assert await parts(host.run(raw, TURN, state)) == ["**Four** <think>"]


@both
async def test_nothing_of_a_turn_is_kept_when_it_has_ended(
    host: AgentHost, isolation: Isolation, state: ConversationState
) -> None:
    copies: list[weakref.ref[ConversationState]] = []

    async def reply(turn: Turn, state: ConversationState) -> AsyncIterator[str]:
        copies.append(weakref.ref(state))
        yield "one"

    assert await parts(host.run(agent(reply, isolation), TURN, state)) == ["one"]

    def is_gone() -> bool:
        gc.collect()
        return copies[0]() is None

    await until(is_gone)
