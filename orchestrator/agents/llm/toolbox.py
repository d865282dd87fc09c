"""Running the tools that a model calls: checked, each call once, and noted in the state."""

import inspect
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from hashlib import sha256
from typing import Any, cast

from pydantic import ValidationError
from pydantic_ai import RunContext, Tool
from pydantic_ai.exceptions import ModelRetry, UserError
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_json, to_jsonable_python

from orchestrator import faults
from orchestrator.agents.llm.tools import ToolFunction
from orchestrator.agents.llm.unicode import whole
from orchestrator.conversation.actions import ACTION_TYPES, INLINE_ACTIONS, Action, InlineAction
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadAgent

logger = logging.getLogger(__name__)

CALLS = "tool_calls"
"""The slot that notes every call: `{"turn", "key", "tool", "arguments", "result"}`; no result while it runs."""
MOST_NOTES = 50
MOST_RESULT_CHARACTERS = 4000
FILLED_IN = ("idempotency_key", "turn", "state")
FAILED = "The tool failed. Whether anything was done is not known. Tell the caller, and do not try it again."


class Toolbox:
    """The tools of an agent. Of two with the same name the later one counts: yours replace the built-in ones."""

    def __init__(self, functions: Sequence[ToolFunction]) -> None:
        self._tools = {tool.name: tool for tool in map(_tool, functions)}
        self._functions = {function.__name__: function for function in functions}

    @property
    def definitions(self) -> list[ToolDefinition]:
        """The tools as models are told of them."""
        return [tool.tool_def for tool in self._tools.values()]

    def desk(self, turn: Turn, state: ConversationState) -> "Desk":
        """Where the calls of one turn are carried out."""
        return Desk(self, turn, state)

    def checked(self, call: ToolCallPart) -> dict[str, Any]:
        """The arguments of a call, with the types that the function wants. Raises `ModelRetry`: what is wrong."""
        tool = self._tools.get(call.tool_name)
        if tool is None:
            raise ModelRetry(f"There is no tool {call.tool_name}. There are: {', '.join(self._tools)}.")
        try:
            arguments = call.args_as_dict(raise_if_invalid=True)
            return cast(dict[str, Any], tool.function_schema.validator.validate_python(_unicode(arguments)))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
            raise ModelRetry(f"The arguments do not fit: {wrong}. Call it again with others.") from None
        except (ValueError, AssertionError):
            raise ModelRetry("The arguments are no JSON object. Call it again.") from None

    async def run(self, name: str, arguments: dict[str, Any], filled_in: dict[str, Any]) -> Any:
        """What the function returns. One that is not async runs in a thread, and blocks nobody."""
        function = self._functions[name]
        wanted = {k: v for k, v in filled_in.items() if k in inspect.signature(function).parameters}
        is_async = inspect.iscoroutinefunction(function)
        schema = replace(self._tools[name].function_schema, function=partial(function, **wanted), is_async=is_async)
        return await schema.call(arguments, cast(RunContext[Any], None))  # the tool takes no context


@dataclass
class Desk:
    """The tool calls of one turn. `actions` are those that tools asked for; `is_used` tells whether a tool was run."""

    toolbox: Toolbox
    turn: Turn
    state: ConversationState
    actions: list[Action] = field(default_factory=list)
    is_used: bool = False
    _looked_at: int = 0

    def inline_actions(self) -> list[InlineAction]:
        """What is to be done amid the text and was not given before."""
        new, self._looked_at = self.actions[self._looked_at :], len(self.actions)
        return [action for action in new if isinstance(action, INLINE_ACTIONS)]

    async def run(self, call: ToolCallPart) -> Any:
        """Carry out one call, unless this turn has done just that already. What the model is told, as JSON."""
        try:
            arguments = self.toolbox.checked(call)
        except ModelRetry as retry:
            return retry.message
        note = self._note(call.tool_name, to_jsonable_python(arguments))
        if "result" not in note:
            try:
                note["result"] = await self._run(call.tool_name, arguments, note["key"])
            except ModelRetry as retry:  # the tool says that nothing was done, and why
                self.state.slots[CALLS].remove(note)
                return retry.message
        return note["result"]

    def _note(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The note of this call: a new one, or an earlier one that ended, or that was cut off before it did."""
        notes: list[dict[str, Any]] = self.state.slots.setdefault(CALLS, [])
        key = f"{self.turn.idempotency_key}/{tool}/{_fingerprint(arguments)}"
        for note in notes:
            was_cut_off = "result" not in note and (note["tool"], note["arguments"]) == (tool, arguments)
            if note["key"] == key or was_cut_off:
                return note
        notes.append({"turn": self.turn.turn_id, "key": key, "tool": tool, "arguments": arguments})
        del notes[:-MOST_NOTES]
        return notes[-1]

    async def _run(self, tool: str, arguments: dict[str, Any], key: str) -> Any:
        self.is_used = True
        filled_in = {"idempotency_key": key, "turn": self.turn, "state": self.state}
        try:
            returned = await self.toolbox.run(tool, arguments, filled_in)
            return _bounded(self._without_action(returned))
        except ModelRetry:
            raise
        except Exception as error:  # whatever a user's function raises
            extra = {"action": "llm.tool_failed", "call_sid": self.turn.call_sid, "turn_id": self.turn.turn_id}
            message = "The tool %s raised %s; the model is told that it failed"
            faults.log(logging.WARNING, logger, message, tool, error=error, extra=extra)
            return FAILED

    def _without_action(self, returned: Any) -> Any:
        if not isinstance(returned, ACTION_TYPES):
            return returned
        if returned not in self.actions:
            self.actions.append(returned)
        return "It is done as soon as what you have said was spoken."


def _tool(function: ToolFunction) -> Tool[None]:
    name = getattr(function, "__name__", str(function))
    try:
        tool: Tool[None] = Tool(_shown(function), name=name)
    except (UserError, NameError, TypeError, ValueError) as error:
        raise BadAgent(f"LLM_TOOLS: {name} cannot be a tool: {error}. Annotate its parameters.") from error
    if tool.takes_ctx:
        raise BadAgent(f"LLM_TOOLS: {name} takes a RunContext. There is none; it may take {', '.join(FILLED_IN)}.")
    return tool


def _shown(function: ToolFunction) -> ToolFunction:
    """The function as the model sees it: without the parameters that are filled in."""
    signature = inspect.signature(function)
    parameters = [p for name, p in signature.parameters.items() if name not in FILLED_IN]

    @wraps(function)
    def shown(**_: Any) -> None:
        """Never called: `Toolbox.run` calls the function itself."""

    shown.__dict__["__signature__"] = signature.replace(parameters=parameters)
    return shown


def _fingerprint(arguments: dict[str, Any]) -> str:
    """The same for the same arguments in any order."""
    return sha256(to_json(_sorted(arguments))).hexdigest()[:16]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _unicode(value: Any) -> Any:
    """JSON from a model, with every str made Unicode."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole(key): _unicode(item) for key, item in value.items()}
    return [_unicode(item) for item in value] if isinstance(value, list) else value


def _bounded(returned: Any) -> Any:
    """What was returned, as JSON that the state can keep; one that is too long becomes the beginning of its text."""
    result = to_jsonable_python(returned, fallback=str)
    text = to_json(result).decode()
    return result if len(text) <= MOST_RESULT_CHARACTERS else f"{text[:MOST_RESULT_CHARACTERS]}… (cut)"
