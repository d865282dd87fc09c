"""An agent in a process of its own: its parts, its state, its errors and its end come back as from a thread."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.host import AgentHost
from orchestrator.agents.loader import configured_agent
from orchestrator.agents.process_frames import WINDOW
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import AgentProcessLost, AgentRaised
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

MODULE = """
import asyncio, os
from orchestrator import HangUp

class Remote:
    isolation = "process"

    async def reply(self, turn, state):
        state.phase = "begun"
        match turn.text:
            case "greet":
                yield str(os.getpid())
                state.slots["seen"] = [*state.slots["seen"], turn.text]
                yield HangUp()
            case "raise":
                yield "Well, "
                raise KeyError("lost")
            case "flood":
                while True:
                    state.slots["given"] = state.slots.get("given", 0) + 1
                    yield "x"
            case "die":
                yield "Bye. "
                os._exit(1)
"""


@pytest.fixture
async def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[AgentHost, Agent]]:
    """A host that can start processes, and the agent that they load."""
    (tmp_path / "their_remote.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "their_remote", raising=False)
    settings = Settings(_env_file=None, agent="their_remote:Remote", agent_processes=2)
    async with AgentHost(settings) as host:
        yield host, configured_agent(settings)


def turn(text: str) -> Turn:
    return Turn(turn_id="1", call_sid="CA1", kind="speech", text=text)


@pytest.fixture
def state() -> ConversationState:
    return ConversationState(call_sid="CA1", slots={"seen": []})


async def test_runs_go_one_after_the_other_through_one_process(
    started: tuple[AgentHost, Agent], state: ConversationState
) -> None:
    host, agent = started
    said: list[Any] = []
    for text in ("greet", "raise", "greet"):
        async with host.run(agent, turn(text), state) as run:
            try:
                said += [part async for part in run]
            except AgentRaised as error:
                said.append(error.kind)
        if text == "greet":
            assert (run.state.phase, run.state.slots) == ("begun", {"seen": ["greet"]})
        else:
            assert run.state is run.state_when_stopped is state, "the changes of an agent that raises are dropped"
    assert said == [said[0], HangUp(), "KeyError", said[0], HangUp()]
    assert (state.phase, state.slots) == ("", {"seen": []}), "the agent had a copy"
    assert host.processes == 1


async def test_a_flood_is_held_back_and_what_it_had_changed_is_kept_when_it_is_stopped(
    started: tuple[AgentHost, Agent], state: ConversationState
) -> None:
    host, agent = started
    for _ in range(5):
        async with asyncio.timeout(60), host.run(agent, turn("flood"), state) as run:
            taken = [await anext(run) for _ in range(2 * WINDOW)]
        assert taken == ["x"] * 2 * WINDOW
        if not run.was_killed:
            break  # else the machine took longer to tell it than it has
    kept = run.state_when_stopped
    assert kept.phase == "begun"
    assert len(taken) <= kept.slots["given"] <= len(taken) + 3 * WINDOW, "some wait in the child, in two queues"
    assert not run.was_killed


async def test_a_process_that_dies_is_named_and_replaced(
    started: tuple[AgentHost, Agent], state: ConversationState
) -> None:
    host, agent = started
    with pytest.raises(AgentProcessLost) as lost:
        async with host.run(agent, turn("die"), state) as run:
            [part async for part in run]
    assert not lost.value.with_others, "it ran alone"
    async with host.run(agent, turn("greet"), state) as run:
        assert HangUp() in [part async for part in run]


async def test_a_turn_that_comes_while_the_first_process_starts_waits_for_that_one(
    started: tuple[AgentHost, Agent], state: ConversationState
) -> None:
    host, agent = started
    host.warm_up(agent)
    used = set()
    await asyncio.sleep(0)  # the start has begun, and takes longer than this turn needs to ask
    for _ in range(2):
        async with host.run(agent, turn("greet"), state.model_copy(deep=True)) as run:
            used |= {part async for part in run if isinstance(part, str)}
    assert (len(used), host.processes) == (1, 1)
