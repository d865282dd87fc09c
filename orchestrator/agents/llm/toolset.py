"""Runs the tools that a model calls: checks each call, runs it once, and records it in the state."""

import inspect
import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError
from pydantic_ai import RunContext, Tool
from pydantic_ai.exceptions import ModelRetry, UserError
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_jsonable_python

from orchestrator import error_logging, tracing
from orchestrator.agents.llm.tools import ToolFunction
from orchestrator.agents.reply_text import AT_ONCE
from orchestrator.agents.sensitive_text import last_words
from orchestrator.agents.tool_records import CALLS_SLOT, as_bounded_json, record_of
from orchestrator.agents.unicode import as_unicode
from orchestrator.conversation.actions import ACTION_TYPES, Action, StartActivity
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadAgent
from orchestrator.sensitive_turns.redaction import Redaction

if TYPE_CHECKING:
    from orchestrator.agents.mcp.servers import McpTool

logger = logging.getLogger(__name__)

INJECTED = ("idempotency_key", "turn", "state", "sensitive_text")
ACCEPTED = "It is done as soon as what you have said was spoken."
ACCEPTED_ACTIVITY = "It has begun. Talk on with the caller meanwhile; you will be told its result."
FAILED = "The tool failed. Whether anything was done is not known. Tell the caller, and do not try it again."


class Toolset:
    """The tools of an agent. Of two with the same name the later one counts: yours replace built-in ones.

    `remote` are tools of servers; their names are those of no function.
    """

    def __init__(self, functions: Sequence[ToolFunction]) -> None:
        self._remote: dict[str, McpTool] = {}
        self._tools = {tool.name: tool for tool in map(_tool, functions)}
        self._functions = {function.__name__: function for function in functions}

    @property
    def names(self) -> set[str]:
        """The names of the functions."""
        return set(self._tools)

    def with_remote(self, remote: "Sequence[McpTool]") -> "Toolset":
        """Return this set and the tools of servers."""
        whole = copy(self)
        whole._remote = {tool.name: tool for tool in remote}
        return whole

    @property
    def definitions(self) -> list[ToolDefinition]:
        """The tools as a model sees them."""
        return [tool.tool_def for tool in self._tools.values()] + [
            ToolDefinition(name=name, description=tool.tool.description, parameters_json_schema=tool.tool.schema)
            for name, tool in self._remote.items()
        ]

    def arguments_of(self, call: ToolCallPart) -> dict[str, Any]:
        """Return the arguments of `call`, converted to the types of the function's parameters.

        Raise `ModelRetry`, which says what is wrong.
        """
        tool = self._tools.get(call.tool_name)
        if tool is None and call.tool_name not in self._remote:
            raise ModelRetry(
                f"There is no tool {call.tool_name}. There are: {', '.join([*self._tools, *self._remote])}."
            )
        try:
            arguments = _as_unicode(call.args_as_dict(raise_if_invalid=True))
            if tool is None:
                return cast(dict[str, Any], arguments)  # its server checks them
            return cast(dict[str, Any], tool.function_schema.validator.validate_python(arguments))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
            raise ModelRetry(f"The arguments do not fit: {wrong}. Call it again with others.") from None
        except (ValueError, AssertionError):
            raise ModelRetry("The arguments are no JSON object. Call it again.") from None

    async def run(self, name: str, arguments: dict[str, Any], injected: dict[str, Any]) -> Any:
        """Run the function and return its result. A function that is not async runs in a thread.

        Of the `injected` arguments the function gets those that it has parameters for.
        """
        if (remote := self._remote.get(name)) is not None:
            return await remote.call(arguments, injected["idempotency_key"])
        function = self._functions[name]
        accepted = {k: v for k, v in injected.items() if k in inspect.signature(function).parameters}
        is_async = inspect.iscoroutinefunction(function)
        schema = replace(self._tools[name].function_schema, function=partial(function, **accepted), is_async=is_async)
        return await schema.call(arguments, cast(RunContext[Any], None))  # the tool takes no context


@dataclass
class TurnToolCalls:
    """The tool calls of one turn. `actions` are those that tools returned; `is_used` is True once a tool was run.

    `redaction` hides in results what sensitive turns brought: the model reads them.
    """

    toolset: Toolset
    turn: Turn
    state: ConversationState
    redaction: Redaction | None = None
    actions: list[Action] = field(default_factory=list)
    is_used: bool = False
    _actions_given: int = 0

    def new_early_actions(self) -> list[Action]:
        """Return the actions that tools returned since the last call of this method, and that do not wait for the end
        of the reply."""
        new, self._actions_given = self.actions[self._actions_given :], len(self.actions)
        return [action for action in new if isinstance(action, AT_ONCE)]

    async def run(self, call: ToolCallPart) -> Any:
        """Run one call, unless this turn has run the same one. Return its result for the model, as JSON."""
        try:
            arguments = self.toolset.arguments_of(call)
        except ModelRetry as retry:
            return retry.message
        record = record_of(self.turn, self.state, call.tool_name, to_jsonable_python(arguments))
        if "result" not in record:
            try:
                record["result"] = await self._run(call.tool_name, arguments, record["key"])
            except ModelRetry as retry:  # the tool did nothing, and says why
                self.state.slots[CALLS_SLOT].remove(record)
                return retry.message
        return record["result"]

    async def _run(self, tool: str, arguments: dict[str, Any], key: str) -> Any:
        self.is_used = True
        injected = {
            "idempotency_key": key, "turn": self.turn, "state": self.state, "sensitive_text": last_words(self.state),
        }  # fmt: skip
        try:
            with tracing.tool(tool):
                returned = await self.toolset.run(tool, arguments, injected)
            result = as_bounded_json(self._action_taken(returned))
            return result if self.redaction is None else self.redaction.value(result)
        except ModelRetry as retry:
            if self.redaction is not None:
                raise ModelRetry(self.redaction.text(retry.message)) from None
            raise
        except Exception as error:  # whatever a user's function raises
            extra = {"action": "llm.tool_failed", "call_sid": self.turn.call_sid, "turn_id": self.turn.turn_id}
            hide = None if self.redaction is None else self.redaction.text
            message = "The tool %s raised %s; telling the model that it failed"
            error_logging.log(logging.WARNING, logger, message, tool, error=error, extra=extra, hide=hide)
            return FAILED

    def _action_taken(self, returned: Any) -> Any:
        if not isinstance(returned, ACTION_TYPES):
            return returned
        if returned not in self.actions:
            self.actions.append(returned)
        return ACCEPTED_ACTIVITY if isinstance(returned, StartActivity) else ACCEPTED


def _tool(function: ToolFunction) -> Tool[None]:
    name = getattr(function, "__name__", str(function))
    try:
        tool: Tool[None] = Tool(_as_model_sees(function), name=name)
    except (UserError, NameError, TypeError, ValueError) as error:
        raise BadAgent(f"LLM_TOOLS: {name} cannot be a tool: {error}. Annotate its parameters.") from error
    if tool.takes_ctx:
        raise BadAgent(
            f"LLM_TOOLS: {name} takes a RunContext, which tools do not get here. It may take {', '.join(INJECTED)}."
        )
    return tool


def _as_model_sees(function: ToolFunction) -> ToolFunction:
    """Return a stand-in for the function, without the injected parameters. pydantic-ai derives the schema from it."""
    signature = inspect.signature(function)
    parameters = [p for name, p in signature.parameters.items() if name not in INJECTED]

    @wraps(function)
    def shown(**_: Any) -> None:
        """Never called: `Toolset.run` calls the function itself."""

    shown.__dict__["__signature__"] = signature.replace(parameters=parameters)
    return shown


def _as_unicode(value: Any) -> Any:
    """Return JSON from a model with every str made valid Unicode."""
    if isinstance(value, str):
        return as_unicode(value)
    if isinstance(value, dict):
        return {as_unicode(key): _as_unicode(item) for key, item in value.items()}
    return [_as_unicode(item) for item in value] if isinstance(value, list) else value
