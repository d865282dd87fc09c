"""What agents of frameworks, and their models, get of sensitive turns."""

from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.openai import OpenAIChatModel
from support.model_server import ModelServer, calls, says

from orchestrator import CallContext
from orchestrator.agents.call_history import ENTERED
from orchestrator.agents.frameworks.pydantic_ai import PydanticAIAgent
from orchestrator.agents.tool_records import CALLS_SLOT
from orchestrator.conversation.sensitive import HIDDEN

Begin = Callable[..., Any]
CARD = "4000123456789010"


def cashier(seen: list[str]) -> Any:
    """An agent whose tool notes the card."""
    agent = Agent(OpenAIChatModel("big"), deps_type=CallContext)

    @agent.tool
    def charge(ctx: RunContext[CallContext]) -> str:
        """Charge the card."""
        seen.append(ctx.deps.sensitive_text)
        ctx.deps.state.slots["note"] = "charged"
        return "charged"

    return agent


async def test_a_tool_gets_the_words_and_the_model_does_not(server: ModelServer, begin_with: Begin) -> None:
    seen: list[str] = []
    server.answers["big"] = [calls("charge", {}), says("Thanks."), says("Yes.")]
    call = begin_with(cashier(seen))
    call.state.hidden_words = [CARD]  # as the runner opens them
    await call.turn("keys", CARD, digits=CARD, sensitive=True)
    assert seen == [CARD]
    assert ENTERED in str(server.requests[0])
    await call.say(f"Was it {CARD}?")
    assert CARD not in str(server.requests[0]) + str(server.requests[1])
    assert f"Was it {HIDDEN}?" in str(server.requests[-1])
    assert call.state.slots[CALLS_SLOT][-1]["result"] == "charged"


async def test_a_model_that_may_see_the_words_gets_them(server: ModelServer, begin_with: Begin) -> None:
    server.answers["big"] = [says("Thanks.")]
    call = begin_with(PydanticAIAgent(cashier([]), sees_sensitive=True))
    call.state.hidden_words = [CARD]
    await call.turn("speech", CARD, sensitive=True)
    assert CARD in str(server.requests[-1])
