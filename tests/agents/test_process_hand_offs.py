"""Agents of the routes in processes of their own: each is found there by its name, with its settings."""

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.agent_table import load_agents
from orchestrator.agents.host import AgentHost
from orchestrator.agents.reply_run import ReplyRun
from orchestrator.conversation.actions import HandOff
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadAgent
from orchestrator.settings import Settings

pytestmark = pytest.mark.processes

MODULE = """
import os
from orchestrator import HandOff

class First:
    isolation = "process"

    async def reply(self, turn, state):
        state.slots["from"] = [os.getpid(), state.settings["desk"], turn.kind]
        yield "One moment. "
        yield HandOff("second", note="a note")

class Second:
    isolation = "process"

    async def reply(self, turn, state):
        yield f"{state.settings['desk']}: {turn.kind}, {turn.text}, {turn.idempotency_key}, {len(state.turns)}"
        state.phase = "there"
"""
ROUTES = """
[agents.first]
agent = "their_desks:First"
settings = { desk = "one" }

[agents.second]
agent = "their_desks:Second"
settings = { desk = "two" }
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "their_desks.py").write_text(MODULE)
    (tmp_path / "routes.toml").write_text(ROUTES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "their_desks", raising=False)
    return Settings(_env_file=None, agent="echo", routes=str(tmp_path / "routes.toml"), agent_processes=2)


@pytest.mark.parametrize("placement", ["configured", "shared"])
async def test_a_call_is_handed_over_between_processes(settings: Settings, placement: Any) -> None:
    agents = load_agents(settings)
    state = ConversationState(call_sid="CA1", agent="first", phase="old")
    turn = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="hello")
    async with AgentHost(settings) as host:
        first = agents.agent_of(state)
        assert first is not None
        run = ReplyRun(agents, host, first, turn, state, placement, Reply())
        parts = [part async for part in run]
        await run.aclose()
    words = "".join(part for part in parts if isinstance(part, str))
    assert words.split() == ["One", "moment.", "two:", "handed_off,", "a", "note,", "CA1/t1/h1,", "1"]
    assert [part.agent for part in parts if isinstance(part, HandOff)] == ["second"]
    assert (run.state.agent, run.state.phase) == ("second", "there")
    assert run.state.slots["from"][1:] == ["one", "speech"]


def test_all_agents_that_cannot_be_had_are_complained_of_at_once(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(ROUTES.replace("their_desks:", "nowhere:"))
    with pytest.raises(BadAgent) as raised:
        load_agents(settings.model_copy(update={"agent": "nobody"}))
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert "nobody" in lines[0]
    assert all("nowhere" in line for line in lines[1:])
