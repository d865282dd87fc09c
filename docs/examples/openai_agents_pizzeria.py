"""AGENT=openai_agents_pizzeria:reception: two agents of the OpenAI Agents SDK; one hands the call to the other.

The model is the one that OPENAI_BASE_URL, OPENAI_API_KEY and MODEL name.
"""

import os

from agents import Agent, OpenAIChatCompletionsModel, RunContextWrapper, function_tool
from openai import AsyncOpenAI

from orchestrator import CallContext, HandOff, HangUp
from orchestrator.agents.telephone_rules import TELEPHONE_RULES

ORDERS: dict[str, str] = {}  # stands for what takes orders, and knows a key that it has seen

model = OpenAIChatCompletionsModel(os.environ.get("MODEL", "gpt-5-mini"), AsyncOpenAI())


@function_tool
async def order(ctx: RunContextWrapper[CallContext], pizza: str, count: int) -> str:
    """Order pizza. Only after the caller has agreed."""
    call = ctx.context
    key = call.key_for("order", pizza=pizza, count=count)
    ORDERS.setdefault(key, f"{count} {pizza}")
    call.state.slots["ordered"] = ORDERS[key]
    return f"Ordered: {ORDERS[key]}."


@function_tool
def give_to_billing(ctx: RunContextWrapper[CallContext], question: str) -> str:
    """Give the call to the colleagues who know about invoices."""
    ctx.context.act(HandOff("billing", note=question))
    return "They have the call now."


@function_tool
def hang_up(ctx: RunContextWrapper[CallContext]) -> str:
    """End the call. Say goodbye first."""
    ctx.context.act(HangUp())
    return "The call ends as soon as what you have said was spoken."


def welcome(ctx: RunContextWrapper[CallContext], agent: Agent[CallContext]) -> str:
    house = ctx.context.settings.get("house", "Da Mario")
    return f"You answer the telephone of the pizzeria {house}. {TELEPHONE_RULES}"


kitchen = Agent[CallContext](
    name="Kitchen",
    handoff_description="Takes orders.",
    instructions=f"You take orders for a pizzeria. {TELEPHONE_RULES}",
    model=model,
    tools=[order, hang_up],
)
reception = Agent[CallContext](
    name="Reception",
    instructions=welcome,
    model=model,
    tools=[give_to_billing, hang_up],
    handoffs=[kitchen],
)
