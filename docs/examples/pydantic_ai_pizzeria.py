"""AGENT=pydantic_ai_pizzeria:agent: an `Agent` of pydantic-ai takes orders on the telephone.

The model is the one that OPENAI_BASE_URL, OPENAI_API_KEY and MODEL name.
"""

import os

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.openai import OpenAIChatModel

from orchestrator import CallContext, HandOff, HangUp
from orchestrator.agents.telephone_rules import TELEPHONE_RULES

ORDERS: dict[str, str] = {}  # stands for what takes orders, and knows a key that it has seen

agent = Agent(
    OpenAIChatModel(os.environ.get("MODEL", "gpt-5-mini")),
    deps_type=CallContext,
    instructions=f"You take orders for a pizzeria. {TELEPHONE_RULES}",
)


@agent.instructions
def about_the_house(ctx: RunContext[CallContext]) -> str:
    return f"The house is called {ctx.deps.settings.get('house', 'Da Mario')}."


@agent.tool
async def order(ctx: RunContext[CallContext], pizza: str, count: int = 1) -> str:
    """Order pizza. Only after the caller has agreed."""
    key = ctx.deps.key_for("order", pizza=pizza, count=count)
    ORDERS.setdefault(key, f"{count} {pizza}")
    ctx.deps.state.slots["ordered"] = ORDERS[key]
    return f"Ordered: {ORDERS[key]}."


@agent.tool
def give_to_billing(ctx: RunContext[CallContext], question: str) -> str:
    """Give the call to the colleagues who know about invoices."""
    ctx.deps.act(HandOff("billing", note=question))
    return "They have the call now."


@agent.tool
def hang_up(ctx: RunContext[CallContext]) -> str:
    """End the call. Say goodbye first."""
    ctx.deps.act(HangUp())
    return "The call ends as soon as what you have said was spoken."
