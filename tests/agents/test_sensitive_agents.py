"""Sensitive turns as agents see them, and what a language model does not see of them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.model_server import ModelServer, calls, says

from orchestrator.agents.call_history import ENTERED
from orchestrator.agents.loader import configured_agent
from orchestrator.conversation.actions import Gather, SendMessage, StartActivity
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.turn import Turn
from orchestrator.settings import Settings
from orchestrator.testing.agent_call import AgentCall

CARD = "4000 1234 5678 9010"
DIGITS = CARD.replace(" ", "")


async def keeper(turn: Turn, state: Any) -> AsyncIterator[Any]:
    """Asks for a card at the beginning, and repeats later what it knows."""
    if turn.kind == "started":
        yield Gather(sensitive=True)
        yield "Your card?"
    elif turn.sensitive and turn.has_words:
        state.slots["card"] = turn.text
        yield StartActivity("tests.agents.test_sensitive_agents:pay", {"card": turn.text})
        yield SendMessage("+15551234567", f"Card {turn.text}")
        yield f"You said {turn.text}."
    else:
        yield f"{turn.kind}: {state.slots.get('card')} {turn.data}"


async def pay(card: str) -> dict[str, Any]:
    return {"paid": True, "card": card}


def is_clean(*texts: Any) -> bool:
    return not any(DIGITS in str(text).replace(" ", "").replace("-", "") for text in texts)


def test_a_call_of_a_test_hides_as_a_real_one(agent_call: Callable[..., AgentCall]) -> None:
    call = agent_call(keeper)
    call.begin()
    assert call.stay_silent() == ["silence: None {}"]
    assert call.say(CARD)[-1] == f"You said {CARD}."
    assert call.state.turns[-1].reply.text == f"You said {HIDDEN}."
    assert call.messages == [SendMessage("+15551234567", f"Card {CARD}")]
    assert call.run_activity("pay") == [f"activity: {CARD} {{'result': {{'paid': True, 'card': '{CARD}'}}}}"]
    assert call.say(f"yes, {DIGITS}") == [f"speech: {CARD} {{}}"]
    assert is_clean(call.state.model_dump_json())
    assert call.state.turns[-1].text == f"yes, {HIDDEN}"


def test_an_interruption_of_a_test_hides_what_was_heard(agent_call: Callable[..., AgentCall]) -> None:
    call = agent_call(keeper)
    call.begin()
    call.say(CARD)
    call.interrupt("You said 4000 1234 56")
    assert call.state.turns[-1].heard == f"You said {HIDDEN}"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


class ModelCall(AgentCall):
    """A call to an agent that is loaded already."""

    def __init__(self, agent: Any, **fields: Any) -> None:
        super().__init__(keeper, **fields)
        self._agent = agent


def llm(server: ModelServer, tools: str, **more: Any) -> Any:
    options = {"llm_model": "big", "llm_base_url": server.url, "llm_api_key": "key", "llm_tools": tools, **more}
    return configured_agent(Settings(_env_file=None, agent="llm", llm_first_token_seconds=60, **options))


USED: list[str] = []


def ask_card() -> Gather:
    """Ask for the card."""
    return Gather(sensitive=True)


def charge(amount: int, sensitive_text: str) -> dict[str, Any]:
    """Charge the card."""
    USED.append(sensitive_text)
    return {"charged": amount, "card": sensitive_text}


TOOLS = f"{__name__}:ask_card,{__name__}:charge"


async def test_a_model_reads_that_something_was_entered_and_its_tool_gets_it(server: ModelServer) -> None:
    server.answers["big"] = [
        calls("ask_card", {}, first=["Your card, please."]),
        calls("charge", {"amount": 5}), says("It is charged."),
        calls("charge", {"amount": 6}), says("Again."),
    ]  # fmt: skip
    USED.clear()
    call = ModelCall(llm(server, TOOLS))
    await call.take("started")
    await call.take("keys", DIGITS, digits=DIGITS)
    await call.take("speech", f"Charge six more to {CARD}.")
    assert USED == [DIGITS, DIGITS]
    assert is_clean(server.requests, call.state.model_dump_json())
    assert ENTERED in str(server.requests[-1])
    assert call.state.slots["tool_calls"][-1]["result"] == {"charged": 6, "card": HIDDEN}


async def test_a_model_that_may_see_it_gets_it(server: ModelServer) -> None:
    server.answers["big"] = [says("Your card?"), says("Thanks.")]
    call = ModelCall(llm(server, TOOLS, llm_sees_sensitive=True))
    call.state.turns = []
    await call.take("started")
    call.state.turns[-1].reply.actions = [Gather(sensitive=True)]
    await call.take("speech", CARD)
    assert not is_clean(server.requests[-1])
    assert is_clean(call.state.model_dump_json())
