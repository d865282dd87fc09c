"""`FrameworkAgent`: an agent of a framework as an agent of ours. What is the same for all frameworks is here."""

import asyncio
import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Self

from orchestrator import error_logging
from orchestrator.agents.call_context import CallContext, as_current
from orchestrator.agents.call_history import Entry, caller_text, history_of, silences_before
from orchestrator.agents.frameworks.events import Event, NewMessage, ToolEnded, ToolStarted
from orchestrator.agents.frameworks.options import FrameworkOptions
from orchestrator.agents.frameworks.tool_log import ToolLog
from orchestrator.agents.protocol import Isolation, Overlap, Part
from orchestrator.agents.reply_text import BROKE_OFF, GOODBYE, MOST_SILENCES, ReplyText, final_actions
from orchestrator.agents.sensitive_text import as_models_see, redacted_entries, redaction_for
from orchestrator.agents.unicode import Surrogates
from orchestrator.conversation.actions import HandOff, HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.sensitive_turns.redaction import Redaction

logger = logging.getLogger(__name__)

STATE_SLOT = "framework_state"
"""The slot that holds, by agent, what a framework must know at the call's next turn."""
MOST_REQUESTS = 10
"""The most requests to a model in one turn."""


class FrameworkAgent(ABC):
    """Answers with an agent of a framework. Keeps nothing of a call between turns.

    `overlap` and `isolation` are as for any agent. `goodbye` is said before the call ends at the third silence in a
    row; `broke_off` when an answer breaks off in the middle. What sensitive turns brought goes to tools alone, which
    ask `CallContext.sensitive_text` for it, unless the model `sees_sensitive`.
    """

    makes_own_spans = False
    """True if the framework makes the spans of its tools."""

    def __init__(
        self,
        *,
        overlap: Overlap | None = None,
        isolation: Isolation = "thread",
        goodbye: str = GOODBYE,
        broke_off: str = BROKE_OFF,
        sees_sensitive: bool = False,
    ) -> None:
        self.sees_sensitive = sees_sensitive
        self.overlap = overlap
        self.isolation = isolation
        self.goodbye = goodbye
        self.broke_off = broke_off
        self.name = ""
        self.options = FrameworkOptions()

    def bound(self, name: str, options: FrameworkOptions) -> Self:
        """Return the same agent under its configured name."""
        agent = copy.copy(self)
        agent.name, agent.options = name, options
        return agent

    @abstractmethod
    def events(self, call: CallContext, history: list[Entry], text: str) -> AsyncGenerator[Event]:
        """Run the framework: yield what it tells as it answers `text`, which is what the caller just did.

        Closing the generator ends the run and its request to the model.
        """

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        """Answer one turn: yield the text and the early actions of tools as they come, then other actions."""
        if turn.kind in ("ended", "interrupted"):  # nobody listens; or the caller speaks, and their words follow
            return
        if turn.kind == "silence" and silences_before(state) + 1 >= MOST_SILENCES:
            yield self.goodbye
            yield HangUp(reason="silence")
            return
        call, text = CallContext(turn, state), ReplyText(self._deadline())
        redaction = None if self.sees_sensitive else redaction_for(state)
        tools = ToolLog(call, redaction, makes_spans=not self.makes_own_spans)
        with as_current(call):
            try:
                async with aclosing(self._answer(call, text, tools)) as answer:
                    async for part in answer:
                        yield part
            except Exception as error:  # whatever a framework, a model's client or a user's tool raises
                if not text.has_begun and not tools.is_used:
                    raise
                _log_failure(turn, error, redaction_for(state))
                yield text.sentence(self.broke_off)
            finally:
                tools.close()
        for action in (*call.take_early_actions(), *final_actions(call.actions)):
            yield action

    async def _answer(self, call: CallContext, text: ReplyText, tools: ToolLog) -> AsyncGenerator[Part]:
        history = redacted_entries(history_of(call.state, self.options.history_characters), tools.redaction)
        said, surrogates = caller_text(as_models_see(call.turn, tools.redaction)), Surrogates()
        async with aclosing(self.events(call, history, said)) as events:
            while (event := await _next(events, text.deadline)) is not None:
                if isinstance(event, str):
                    if piece := surrogates.joined(event):
                        yield text.words(piece)
                    continue
                if rest := surrogates.rest():
                    yield text.words(rest)
                match event:
                    case NewMessage():
                        text.begin_sentence()
                    case ToolStarted():
                        tools.started(event)
                    case ToolEnded():
                        tools.ended(event)
                if not tools.is_idle:
                    continue
                for action in call.take_early_actions():
                    yield action
                    if isinstance(action, HandOff):
                        return
                if text.has_words and tools.round_ends_reply:
                    return  # it said goodbye and hung up: there is nothing left to ask the model for
        if rest := surrogates.rest():
            yield text.words(rest)

    def _deadline(self) -> float:
        if self.options.answer_seconds is None:
            return float("inf")
        return asyncio.get_running_loop().time() + self.options.answer_seconds

    def saved_state(self, call: CallContext) -> dict[str, Any]:
        """Return what `save_state` has kept of this agent in the call."""
        saved = call.state.slots.get(STATE_SLOT, {}).get(self.name, {})
        return saved if isinstance(saved, dict) else {}

    def save_state(self, call: CallContext, values: dict[str, Any]) -> None:
        """Keep `values`, which are JSON, for this agent's next turn in the call."""
        if values or self.saved_state(call):
            call.state.slots.setdefault(STATE_SLOT, {})[self.name] = values


async def _next(events: AsyncGenerator[Event], deadline: float) -> Event | None:
    """Return the next event, None at the end. Raise TimeoutError at `deadline`, in the event loop's time."""
    async with asyncio.timeout_at(None if deadline == float("inf") else deadline):
        return await anext(events, None)


def _log_failure(turn: Turn, error: Exception, redaction: Redaction | None) -> None:
    hide = None if redaction is None else redaction.text
    message = "The agent did not finish its answer, since it raised %s; asking the caller to repeat"
    extra = {"action": "llm.stream_failed", "call_sid": turn.call_sid, "turn_id": turn.turn_id}
    error_logging.log(logging.ERROR, logger, message, error=error, extra=extra, hide=hide)
