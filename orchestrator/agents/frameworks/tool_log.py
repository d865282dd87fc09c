"""`ToolLog`: the tool calls that a framework makes in one turn, in the state and in the trace."""

from typing import Any

from pydantic_core import to_jsonable_python

from orchestrator import tracing
from orchestrator.agents.call_context import CallContext
from orchestrator.agents.frameworks.events import ToolEnded, ToolStarted
from orchestrator.agents.tool_records import as_bounded_json, record_of
from orchestrator.conversation.actions import LEAVING_ACTIONS
from orchestrator.sensitive_turns.redaction import Redaction
from orchestrator.tracing import Span


class ToolLog:
    """A round is the calls that the model makes in one answer. `makes_spans` is False where the framework does.

    `redaction` hides in what is noted what sensitive turns brought.
    """

    def __init__(self, call: CallContext, redaction: Redaction | None = None, *, makes_spans: bool) -> None:
        self.redaction = redaction
        self.is_used = False
        self._call = call
        self._makes_spans = makes_spans
        self._running: dict[str, tuple[dict[str, Any], Span | None]] = {}
        self._ended: set[str] = set()
        self._calls_of_round = 0
        self._actions_before_round = 0

    @property
    def is_idle(self) -> bool:
        """True while no tool runs."""
        return not self._running

    @property
    def round_ends_reply(self) -> bool:
        """True if each call of the round that has ended led to an action, and one of them ends the reply."""
        actions = self._call.actions[self._actions_before_round :]
        is_all = self.is_idle and 0 < self._calls_of_round <= len(actions)
        return is_all and any(isinstance(action, LEAVING_ACTIONS) for action in actions)

    def started(self, event: ToolStarted) -> None:
        """Note a call, once."""
        if event.call_id in self._running or event.call_id in self._ended:
            return
        if self.is_idle:
            self._calls_of_round, self._actions_before_round = 0, len(self._call.actions)
        self.is_used = True
        self._calls_of_round += 1
        arguments = to_jsonable_python(event.arguments, fallback=str)
        record = record_of(self._call.turn, self._call.state, event.tool, arguments)
        record.pop("result", None)  # the framework makes the same call again
        self._running[event.call_id] = record, tracing.tool(event.tool) if self._makes_spans else None

    def ended(self, event: ToolEnded) -> None:
        """Note the result of a call, once."""
        if (running := self._running.pop(event.call_id, None)) is None:
            return
        record, span = running
        self._ended.add(event.call_id)
        result = as_bounded_json(event.result)
        record["result"] = result if self.redaction is None else self.redaction.value(result)
        if span is not None:
            span.end()

    def close(self) -> None:
        """End the spans of calls that were cut off."""
        for _, span in self._running.values():
            if span is not None:
                span.end("cancelled")
        self._running.clear()
