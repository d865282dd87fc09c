"""Sensitive turns of calls that are handed on, and of agents in processes of their own."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.host import AgentHost
from orchestrator.agents.loader import configured_agent
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.actions import Gather, HandOff
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.runner import TurnRunner

CARD = "5555 5555 5555 4444"
MODULE = """
from orchestrator import Gather

class Remote:
    isolation = "process"

    async def reply(self, turn, state):
        yield Gather(sensitive=not turn.sensitive)
        if turn.sensitive:
            state.slots["card"] = turn.text
        yield f"{turn.text}, {state.slots.get('card')}"
"""


async def run(runner: TurnRunner, turn_id: str, text: str, agent: str = "") -> ConversationState:
    store = runner.store
    assert isinstance(store, InMemoryTurnStore)
    turn = Turn(turn_id=turn_id, call_sid="CA1", kind="speech", text=text)
    await store.submit(turn, opening={"channel": "gather", "agent": agent})
    await runner.run(await store.claim("CA1", "anna"))
    state = await store.states.get_state("CA1")
    assert state is not None
    return state


async def test_the_agent_that_gets_the_call_gets_the_slots_and_its_turn_is_clean() -> None:
    seen: list[tuple[str, object]] = []

    async def first(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        if not turn.sensitive:
            yield Gather(sensitive=True)
            return
        state.slots["card"] = turn.text
        yield f"Thank you for {turn.text}. "
        yield HandOff("second", note=f"card {turn.text}")

    async def second(turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        seen.append((turn.text, state.slots["card"]))
        yield f"I have {state.slots['card']}."

    agents = {name: Agent(name, it, isolation="inline") for name, it in (("first", first), ("second", second))}
    table = AgentTable(Agent("default", first, isolation="inline"), agents, {"first": {}, "second": {}})
    store = InMemoryTurnStore(InMemoryStateManager())
    async with AgentHost() as host:
        cipher = sensitive_cipher(Settings(_env_file=None))
        runner = TurnRunner(store, table, host, agent_timeout_seconds=60, sensitive=cipher)
        await run(runner, "t1", "hello", "first")
        state = await run(runner, "t2", CARD)
    assert seen == [(f"card {CARD}", CARD)]
    assert (state.agent, state.turns[-1].reply.text) == ("second", f"Thank you for {HIDDEN}. I have {HIDDEN}.")
    assert CARD not in state.model_dump_json()


@pytest.mark.processes
async def test_an_agent_in_a_process_gets_the_words_and_its_slots_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_sensitive_remote.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    settings = Settings(_env_file=None, agent="their_sensitive_remote:Remote", agent_processes=1)
    store = InMemoryTurnStore(InMemoryStateManager())
    async with AgentHost(settings) as host:
        cipher = sensitive_cipher(settings)
        runner = TurnRunner(store, configured_agent(settings), host, agent_timeout_seconds=60, sensitive=cipher)
        await run(runner, "t1", "hello")
        state = await run(runner, "t2", CARD)
        assert state.turns[-1].reply.text == f"{HIDDEN}, {HIDDEN}"
        assert state.slots == {"card": HIDDEN}
        state = await run(runner, "t3", "again")
    assert state.turns[-1].reply.text == f"again, {HIDDEN}"
    assert CARD not in state.model_dump_json()
