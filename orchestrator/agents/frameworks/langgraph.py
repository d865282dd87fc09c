"""A compiled graph of LangGraph as an agent of ours. Its nodes and tools get the call from the runtime's context or
the config."""

import json
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import aclosing
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.messages import ToolCall as LangChainCall
from langgraph.pregel import Pregel

from orchestrator.agents.call_context import CallContext
from orchestrator.agents.call_history import AgentText, CallerText, Entry, ToolCall, ToolResult
from orchestrator.agents.frameworks.events import Event, NewMessage, ToolEnded, ToolStarted
from orchestrator.agents.frameworks.framework_agent import FrameworkAgent
from orchestrator.errors import BadAgent

MESSAGES = "messages"
"""The key of a graph's state that holds the conversation."""
MOST_STEPS = 30
MOST_SAVED_CHARACTERS = 16_000
"""The most that is kept of a graph's own state between turns, as JSON."""
SILENT_NODES = ("tools",)
"""Nodes whose models are not heard: those that run tools."""


class LangGraphAgent(FrameworkAgent):
    """Answers with `graph`. `silent` are the nodes whose models the caller does not hear, `most_steps` bounds the steps
    of one turn.

    Other keys of the graph's state are kept between turns if they are JSON. Its checkpointer is not used: the history
    that it would keep is what the model wrote, not what the caller heard.
    """

    def __init__(
        self,
        graph: "Pregel[Any, Any, Any, Any]",
        *,
        silent: Collection[str] = SILENT_NODES,
        most_steps: int = MOST_STEPS,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if MESSAGES not in graph.channels:
            raise BadAgent(f"the graph's state has no {MESSAGES!r}. Use MessagesState, or a state with that key.")
        self._graph = graph if not graph.checkpointer else graph.copy(update={"checkpointer": False})
        self._context = _context_maker(graph)
        self._silent = frozenset(silent)
        self._most_steps = most_steps

    async def events(self, call: CallContext, history: list[Entry], text: str) -> AsyncGenerator[Event]:
        """Run the graph."""
        messages = [*messages_of(history), *([HumanMessage(text)] if text else [])]
        stream: Any = self._graph.astream(
            {**self.saved_state(call), MESSAGES: messages},
            {
                "configurable": {"call": call},
                "metadata": {"call_sid": call.turn.call_sid},
                "recursion_limit": self._most_steps,
            },
            context=self._context(call),
            stream_mode=["messages", "updates", "values"],
            subgraphs=True,
        )
        last_id: str | None = None
        async with aclosing(stream) as outputs:
            async for namespace, mode, output in outputs:
                if mode == "values":
                    if not namespace and isinstance(output, dict):
                        self.save_state(call, _kept(output))
                elif mode == "updates":
                    for event in _tool_events(output):
                        yield event
                elif piece := self._spoken(message := output[0], output[1]):
                    if message.id != last_id:
                        last_id = message.id
                        yield NewMessage()
                    yield piece

    def _spoken(self, message: AnyMessage, metadata: dict[str, Any]) -> str:
        """Return the text of a message, or a piece of one, that the caller is to hear."""
        if not isinstance(message, AIMessage | AIMessageChunk) or metadata.get("langgraph_node") in self._silent:
            return ""
        return str(message.text)


def messages_of(history: list[Entry]) -> list[AnyMessage]:
    """Return the history as messages of LangChain."""
    messages: list[AnyMessage] = []
    for number, entry in enumerate(history):
        match entry:
            case CallerText(text):
                messages.append(HumanMessage(text, id=f"history-{number}"))
            case AgentText(text):
                messages.append(AIMessage(text, id=f"history-{number}"))
            case ToolCall(call_id, tool, arguments):
                call = LangChainCall(name=tool, args=arguments, id=call_id, type="tool_call")
                last = messages[-1] if messages else None
                if isinstance(last, AIMessage) and last.tool_calls:
                    last.tool_calls = [*last.tool_calls, call]
                else:
                    messages.append(AIMessage("", tool_calls=[call], id=f"history-{number}"))
            case ToolResult(call_id, tool, _):
                messages.append(ToolMessage(entry.text, tool_call_id=call_id, name=tool, id=f"history-{number}"))
    return messages


def _tool_events(update: Any) -> Iterator[Event]:
    """Yield the calls and results of tools in what nodes have written. Subgraphs and their parents tell the same."""
    for written in update.values() if isinstance(update, dict) else ():
        for part in written if isinstance(written, list | tuple) else (written,):
            messages = part.get(MESSAGES, ()) if isinstance(part, dict) else ()
            for message in messages if isinstance(messages, list | tuple) else (messages,):
                if isinstance(message, AIMessage):
                    for call in message.tool_calls:
                        yield ToolStarted(str(call["id"]), call["name"], call["args"])
                elif isinstance(message, ToolMessage):
                    yield ToolEnded(message.tool_call_id, message.content)


def _kept(values: dict[str, Any]) -> dict[str, Any]:
    """Return what of a graph's state is JSON, without the messages, and not too much of it."""
    kept, room = {}, MOST_SAVED_CHARACTERS
    for key, value in values.items():
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            continue
        if key != MESSAGES and value is not None and len(text) <= room and json.loads(text) == value:
            kept[key] = value
            room -= len(text)
    return kept


def _context_maker(graph: "Pregel[Any, Any, Any, Any]") -> Callable[[CallContext], Any]:
    schema = graph.context_schema
    if schema is CallContext:
        return lambda call: call
    if schema is not None and callable(from_call := getattr(schema, "from_call", None)):
        return lambda call: from_call(call)
    if schema is None:
        return lambda call: None
    name = getattr(schema, "__name__", str(schema))
    raise BadAgent(
        f"its context_schema is {name}. Make it orchestrator.CallContext, or give it a class method from_call(call)."
    )
