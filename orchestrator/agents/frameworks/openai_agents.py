"""An `Agent` of the OpenAI Agents SDK as an agent of ours. Its tools get the call as the run's context.

Hand-offs between agents of the SDK stay inside the framework. The agent that answered last goes on at the next turn.
"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import Any

from agents import Agent as SdkAgent
from agents import RunConfig, Runner
from agents.items import ToolCallItem, ToolCallOutputItem, TResponseInputItem
from agents.result import RunResultStreaming
from agents.stream_events import AgentUpdatedStreamEvent, RawResponsesStreamEvent, RunItemStreamEvent, StreamEvent

from orchestrator.agents.call_context import CallContext
from orchestrator.agents.call_history import AgentText, CallerText, Entry, ToolCall, ToolResult
from orchestrator.agents.frameworks.events import Event, NewMessage, ToolEnded, ToolStarted, arguments_of
from orchestrator.agents.frameworks.framework_agent import MOST_REQUESTS, FrameworkAgent
from orchestrator.errors import BadAgent
from orchestrator.tasks import cancel_and_wait

CLOSE_SECONDS = 0.4
"""How long a run that was cancelled may take to end."""
LAST_AGENT = "agent"
"""The key of the saved state that names the agent that answered last."""


class OpenAIAgent(FrameworkAgent):
    """Answers with `agent`, or the one that it, or another one, has handed the call to.

    `run_config` is the SDK's own; without it what the SDK reports of a run holds nothing that was said. `most_requests`
    bounds the requests to the model in one turn.
    """

    def __init__(
        self,
        agent: "SdkAgent[Any]",
        *,
        run_config: RunConfig | None = None,
        most_requests: int = MOST_REQUESTS,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if agent.output_type is not None and agent.output_type is not str:
            raise BadAgent("its output_type is not text. What is spoken is text: leave output_type out.")
        self._agent = agent
        self._run_config = run_config or RunConfig(workflow_name="VoiceAgent", trace_include_sensitive_data=False)
        self._most_requests = most_requests

    async def events(self, call: CallContext, history: list[Entry], text: str) -> AsyncGenerator[Event]:
        """Run the agent."""
        run = Runner.run_streamed(
            self._last_agent(call),
            items_of([*history, *([CallerText(text)] if text else [])]),
            context=call,
            max_turns=self._most_requests,
            run_config=self._config_for(call),
        )
        try:
            async for event in run.stream_events():
                if isinstance(event, AgentUpdatedStreamEvent):
                    self._note_agent(call, event.new_agent)
                elif (told := _event_of(event)) is not None:
                    yield told
        finally:
            await _end(run)

    def _config_for(self, call: CallContext) -> RunConfig:
        """Return the run's config. Nothing is reported of what was said in a call with sensitive turns."""
        config = replace(self._run_config, group_id=self._run_config.group_id or call.turn.call_sid)
        return replace(config, trace_include_sensitive_data=False) if call.state.hidden_words else config

    def _note_agent(self, call: CallContext, agent: "SdkAgent[Any]") -> None:
        self.save_state(call, {} if agent is self._agent else {LAST_AGENT: agent.name})

    def _last_agent(self, call: CallContext) -> "SdkAgent[Any]":
        """Return the agent that answered last in this call, or the first one."""
        name = self.saved_state(call).get(LAST_AGENT)
        return next((agent for agent in _reachable(self._agent) if agent.name == name), self._agent)


def items_of(history: list[Entry]) -> list[TResponseInputItem]:
    """Return the history as input items of the SDK."""
    return [_item(entry) for entry in history]


def _item(entry: Entry) -> TResponseInputItem:
    match entry:
        case CallerText(text):
            return {"role": "user", "content": text}
        case AgentText(text):
            return {"role": "assistant", "content": text}
        case ToolCall(call_id, tool, _):
            return {"type": "function_call", "call_id": call_id, "name": tool, "arguments": entry.arguments_json}
        case ToolResult(call_id):
            return {"type": "function_call_output", "call_id": call_id, "output": entry.text}


def _event_of(event: StreamEvent) -> Event | None:
    if isinstance(event, RawResponsesStreamEvent):
        match event.data.type:
            case "response.created":
                return NewMessage()
            case "response.output_text.delta":
                return event.data.delta
    elif isinstance(event, RunItemStreamEvent):
        match event.item:
            case ToolCallItem(raw_item=call) if (call_id := _field(call, "call_id")) is not None:
                return ToolStarted(call_id, _field(call, "name") or "", arguments_of(_field(call, "arguments")))
            case ToolCallOutputItem(raw_item=result, output=output):
                return ToolEnded(_field(result, "call_id") or "", output)
    return None


def _field(item: Any, name: str) -> str | None:
    """Return a str field of an item, which is a model or a dict."""
    value = item.get(name) if isinstance(item, dict) else getattr(item, name, None)
    return value if isinstance(value, str) else None


def _reachable(first: "SdkAgent[Any]") -> Iterator["SdkAgent[Any]"]:
    """Yield `first` and the agents that it can hand over to, directly or not."""
    seen: list[Any] = [first]
    for agent in seen:
        yield agent
        for to in map(_target, agent.handoffs):
            if isinstance(to, SdkAgent) and not any(to is known for known in seen):
                seen.append(to)


def _target(handoff: Any) -> Any:
    """Return the agent that `agents.handoff()` was made for. The SDK keeps it under a private name alone."""
    reference = getattr(handoff, "_agent_ref", None)
    return handoff if reference is None else reference()


async def _end(run: RunResultStreaming) -> None:
    """End the run and its request to the model."""
    run.cancel()
    await cancel_and_wait(run.run_loop_task, seconds=CLOSE_SECONDS)
