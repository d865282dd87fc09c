"""An `Agent` of pydantic-ai as an agent of ours. Its tools get the call as `deps`."""

import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any

from pydantic_ai import AgentRunResultEvent, UsageLimits
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)

from orchestrator.agents.call_context import CallContext
from orchestrator.agents.call_history import Entry
from orchestrator.agents.frameworks.events import Event, NewMessage, ToolEnded, ToolStarted, arguments_of
from orchestrator.agents.frameworks.framework_agent import MOST_REQUESTS, FrameworkAgent
from orchestrator.agents.llm.instrumentation import instrumentation
from orchestrator.agents.llm.message_history import messages_of
from orchestrator.errors import BadAgent, BadReply


class PydanticAIAgent(FrameworkAgent):
    """Answers with `agent`. Its `deps_type` is `CallContext`, or a class with a class method `from_call(call)`, or
    none. `most_requests` bounds the requests to the model in one turn.
    """

    makes_own_spans = True

    def __init__(self, agent: AbstractAgent[Any, Any], *, most_requests: int = MOST_REQUESTS, **common: Any) -> None:
        super().__init__(**common)
        self._agent = agent
        self._deps = _deps_maker(agent.deps_type)
        self._limits = UsageLimits(request_limit=most_requests)
        if inspect.isclass(agent.output_type) and agent.output_type is not str:
            raise BadAgent(f"its output_type is {agent.output_type.__name__}. What is spoken is text: make it str.")

    async def events(self, call: CallContext, history: list[Entry], text: str) -> AsyncGenerator[Event]:
        """Run the agent."""
        deps = self._deps(call)
        spans = instrumentation()
        run = self._agent.run_stream_events(
            text or None,
            message_history=await self._messages(history, text, deps),
            deps=deps,
            usage_limits=self._limits,
            conversation_id=call.turn.call_sid,
            capabilities=[Instrumentation(settings=spans)] if spans else None,
            infer_name=False,
        )
        has_text = False
        async with run as events:
            async for event in events:
                match event:
                    case PartStartEvent(part=TextPart(content=piece)):
                        yield NewMessage()
                        has_text = True
                        yield piece
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=piece)):
                        yield piece
                    case FunctionToolCallEvent(part=part):
                        has_text = False
                        yield ToolStarted(part.tool_call_id, part.tool_name, arguments_of(part.args))
                    case FunctionToolResultEvent(part=part):
                        yield ToolEnded(part.tool_call_id, part.content)
                    case AgentRunResultEvent(result=result) if not has_text:
                        yield NewMessage()
                        yield _spoken(result.output)

    async def _messages(self, history: list[Entry], text: str, deps: Any) -> list[ModelMessage]:
        """Return the history, with the system prompt, which pydantic-ai adds to an empty history alone."""
        messages = messages_of(history)
        if messages:
            system = await self._agent.system_prompt_parts(deps=deps, prompt=text)
            if system:
                messages.insert(0, ModelRequest(parts=system))
        return messages


def _deps_maker(deps_type: Any) -> Callable[[CallContext], Any]:
    if deps_type is type(None) or deps_type is None:
        return lambda call: None
    if deps_type is CallContext:
        return lambda call: call
    if callable(from_call := getattr(deps_type, "from_call", None)):
        return lambda call: from_call(call)
    name = getattr(deps_type, "__name__", str(deps_type))
    raise BadAgent(
        f"its deps_type is {name}. Make it orchestrator.CallContext, or give it a class method from_call(call)."
    )


def _spoken(output: Any) -> str:
    if not isinstance(output, str):
        raise BadReply(f"The agent's output is {type(output).__name__}. What is spoken is text: make output_type str.")
    return output
