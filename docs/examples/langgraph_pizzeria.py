"""AGENT=langgraph_pizzeria:graph: a graph of LangGraph takes orders on the telephone.

The model is the one that OPENAI_BASE_URL, OPENAI_API_KEY and MODEL name. Needs langchain-openai too.
"""

import os

from langchain_core.messages import SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, ToolRuntime, tools_condition
from langgraph.runtime import Runtime

from orchestrator import CallContext, HandOff, HangUp
from orchestrator.agents.telephone_rules import TELEPHONE_RULES

ORDERS: dict[str, str] = {}  # stands for what takes orders, and knows a key that it has seen


@tool
async def order(pizza: str, count: int, runtime: ToolRuntime[CallContext]) -> str:
    """Order pizza. Only after the caller has agreed."""
    call = runtime.context
    key = call.key_for("order", pizza=pizza, count=count)
    ORDERS.setdefault(key, f"{count} {pizza}")
    call.state.slots["ordered"] = ORDERS[key]
    return f"Ordered: {ORDERS[key]}."


@tool
def give_to_billing(question: str, runtime: ToolRuntime[CallContext]) -> str:
    """Give the call to the colleagues who know about invoices."""
    runtime.context.act(HandOff("billing", note=question))
    return "They have the call now."


@tool
def hang_up(runtime: ToolRuntime[CallContext]) -> str:
    """End the call. Say goodbye first."""
    runtime.context.act(HangUp())
    return "The call ends as soon as what you have said was spoken."


tools = [order, give_to_billing, hang_up]
model = ChatOpenAI(model=os.environ.get("MODEL", "gpt-5-mini")).bind_tools(tools)


async def talk(state: MessagesState, runtime: Runtime[CallContext]) -> dict:
    house = runtime.context.settings.get("house", "Da Mario")
    job = SystemMessage(f"You take orders for the pizzeria {house}. {TELEPHONE_RULES}")
    return {"messages": [await model.ainvoke([job, *state["messages"]])]}


builder = StateGraph(MessagesState, context_schema=CallContext)
builder.add_node("talk", talk)
builder.add_node("tools", ToolNode(tools))
builder.add_edge(START, "talk")
builder.add_conditional_edges("talk", tools_condition)
builder.add_edge("tools", "talk")
graph = builder.compile()
