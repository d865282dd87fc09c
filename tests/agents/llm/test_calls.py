"""A language model in a whole call: dispatcher, runner, agent, sockets, model."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from support.model_server import Connection, ModelServer, calls, says

from orchestrator.agents.appointments.calendar import free_slots
from orchestrator.agents.host import AgentHost
from orchestrator.agents.llm.tools import APPOINTMENTS_SLOT
from orchestrator.agents.loader import configured_agent
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.dispatch.in_process import InProcessDispatcher
from orchestrator.settings import Settings
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.turns.outcome import APOLOGY

PATIENCE_SECONDS = 30


async def goes_on_and_on(connection: Connection) -> None:
    """Speaks without end, until the client has gone."""
    await connection.open()
    while True:
        await connection.delta(content="blah ")


@pytest.fixture
def states() -> InMemoryStateManager:
    return InMemoryStateManager()


@pytest.fixture
async def dispatcher(
    server: ModelServer, host: AgentHost, states: InMemoryStateManager
) -> AsyncIterator[InProcessDispatcher]:
    settings = Settings(
        _env_file=None, agent="llm", llm_model="big", llm_base_url=server.url, llm_first_token_seconds=PATIENCE_SECONDS
    )
    agent = configured_agent(settings)
    async with InProcessDispatcher(states, agent, host, agent_timeout_seconds=PATIENCE_SECONDS) as dispatcher:
        yield dispatcher


async def submitted(dispatcher: InProcessDispatcher, turn_id: str, kind: TurnKind, text: str = "") -> Any:
    turn = Turn(turn_id=turn_id, call_sid="CA1", kind=kind, text=text)
    return await dispatcher.submit(turn, opening={"channel": "relay"}, stream=True)


async def test_what_the_caller_interrupted_is_what_the_model_has_said(
    server: ModelServer, dispatcher: InProcessDispatcher, states: InMemoryStateManager
) -> None:
    time = free_slots(date.today())[0].isoformat()
    server.answers["big"] = [
        says("Hello!"),
        calls("book", {"time": time, "name": "Ann", "reason": "pain"}),
        goes_on_and_on,
        says("You are booked."),
    ]
    await (await submitted(dispatcher, "1", "started")).wait(PATIENCE_SECONDS)
    babble = await submitted(dispatcher, "2", "speech", "book me in")
    async for token in babble.tokens():
        assert token.startswith("blah")
        break
    await submitted(dispatcher, "3", "interrupted", "blah blah")
    last = await (await submitted(dispatcher, "4", "speech", "stop! am I booked?")).wait(PATIENCE_SECONDS)
    assert last is not None
    assert last.reply.text == "You are booked."
    messages = server.requests[-1]["messages"]
    assert [m["content"] for m in messages if m["role"] == "assistant" and m.get("content")] == ["Hello!", "blah blah"]
    assert any("Booked: " in str(m["content"]) for m in messages if m["role"] == "tool")
    state = await states.get_state("CA1")
    assert state is not None
    assert len(state.slots[APPOINTMENTS_SLOT]) == 1, "what was done before the interruption is not forgotten"
    assert [record.outcome for record in state.turns if record.kind == "speech"] == ["interrupted", "replied"]


async def test_a_call_ends_when_the_model_hangs_up(
    server: ModelServer, dispatcher: InProcessDispatcher, states: InMemoryStateManager
) -> None:
    server.answers["big"] = [calls("hang_up", {"reason": "done"}, first=["Good", "bye!"])]
    result = await (await submitted(dispatcher, "1", "started")).wait(PATIENCE_SECONDS)
    state = await states.get_state("CA1")
    assert result is not None
    assert result.reply.text == "Goodbye!"
    assert state is not None
    assert state.status == "completed"


async def test_without_any_model_the_caller_hears_an_apology_and_the_call_goes_on(
    server: ModelServer, dispatcher: InProcessDispatcher
) -> None:
    await server.__aexit__(None, None, None)
    result = await (await submitted(dispatcher, "1", "started")).wait(PATIENCE_SECONDS)
    assert result is not None
    assert (result.outcome, result.reply.text) == ("failed", APOLOGY)
