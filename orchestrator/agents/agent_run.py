"""`AgentRun`: one agent answering one turn, on its own copy of the state. What it yields and leaves is checked here."""

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from types import TracebackType
from typing import Any, Self

from pydantic_core import to_json

from orchestrator import error_logging
from orchestrator.agents.protocol import Agent, Part
from orchestrator.agents.spoken_text import SpeechFilter
from orchestrator.conversation.actions import ACTION_TYPES
from orchestrator.conversation.copies import changed
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadReply
from orchestrator.sensitive_turns.redaction import Redaction
from orchestrator.sensitive_turns.words import words_of

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 0.5
"""How long closing waits for an agent that ignores its cancellation."""
SELF_CANCELLED = "The agent let a CancelledError out that nobody sent it. Catch it where a task is awaited."


class AgentRun(ABC):
    """The parts that an agent yields for one turn, as an async iterator. The agent starts when the first is asked for.

        async with host.run(agent, turn, state) as run:
            async for part in run:
                ...
        save(run.state)

    Leaving the block early, `aclose()`, and cancelling the task that waits for a part all cancel the agent. Its
    `finally` blocks run, and closing takes `CLOSE_SECONDS` at most. Asking for a part raises what the agent raises. It
    raises `BadReply` if the agent yields something that is not a part, or leaves something in the state that is not
    JSON.

    The agent works on a copy of `state`. The run never changes the given one, and its owner must not either.
    """

    def __init__(self, agent: Agent, turn: Turn, state: ConversationState) -> None:
        self._agent = agent
        self._turn = turn
        self._given = state
        self._own: ConversationState | None = None
        self._left: ConversationState | None = None
        self.was_killed = False
        """True if the agent could only be ended by killing its process."""

    @property
    def state(self) -> ConversationState:
        """The state as the agent left it: the given one with the agent's `slots` and `phase`.

        Before the agent has ended, this is the given state. It stays the given state if the agent raised, left
        something that is not JSON, or was closed before its end. So the agent's changes are complete or absent.
        """
        return self._given if self._left is None else self._left

    @property
    def state_when_stopped(self) -> ConversationState:
        """The state as it was when the agent was stopped, with its changes until then. To be read after closing.

        It is the given state if the agent raised, left something that is not JSON, or ignores its cancellation and so
        may still make changes.
        """
        if self._left is not None:
            return self._left
        if self._own is None or not self._was_stopped:
            return self._given
        try:
            check_state(self._own)
        except BadReply as error:
            logger.warning(
                "Dropping what a stopped agent had changed: %s", error,
                extra=about("agent.state_invalid", self._turn),
            )  # fmt: skip
            return self._given
        return self._own

    @property
    @abstractmethod
    def _was_stopped(self) -> bool:
        """True if the agent has ended because it was cancelled, and has raised nothing."""

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> Part:
        """Return the next part."""

    @abstractmethod
    async def aclose(self) -> None:
        """End the agent if it still runs. May be called twice."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def own_copy(state: ConversationState) -> ConversationState:
    """Return a copy whose slots, phase and list of turns an agent may change. It shares the past turns."""
    return changed(state, slots=deepcopy(state.slots) if state.slots else {}, turns=list(state.turns))


async def parts_of(agent: Agent, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """Yield the agent's parts, each checked and filtered for speech; at the end check the state."""
    parts = _iterator_of(agent, turn, state)
    speech = SpeechFilter(thoughts=agent.thoughts) if agent.speech_filter else None
    try:
        async for part in parts:
            checked = _checked(part)
            for said in (checked,) if speech is None else _filtered(checked, speech):
                yield said
        if speech is not None and (rest := speech.end()):
            yield rest
        check_state(state)
    except (SystemExit, KeyboardInterrupt) as error:  # an agent must not end the process that runs it
        raise BadReply(f"The agent tried to end the process ({type(error).__name__}). Yield HangUp().") from error
    finally:
        if hasattr(parts, "aclose"):
            await parts.aclose()


def _filtered(part: Part, speech: SpeechFilter) -> Iterator[Part]:
    """Yield what the speech filter lets through, before an action also what it has held back."""
    if isinstance(part, str):
        text = speech.feed(part)
        if text or not part:
            yield text
        return
    if text := speech.pause():
        yield text
    yield part


def _iterator_of(agent: Agent, turn: Turn, state: ConversationState) -> Any:
    parts: Any = agent.reply(turn, state)
    if hasattr(parts, "__anext__"):
        return parts
    if inspect.iscoroutine(parts):
        parts.close()  # or Python warns that nobody awaited it
    raise BadReply(f"{agent.name} returned {type(parts).__name__}. Make it an async generator: yield what to say.")


def _checked(part: Any) -> Part:
    if isinstance(part, str):
        if not part.isascii():
            _check_unicode(part)
        return part
    if isinstance(part, ACTION_TYPES):
        return part
    raise BadReply(f"The agent yielded {type(part).__name__}. Yield text (str) and actions such as HangUp().")


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadReply("The agent yielded text with half a surrogate pair, which is not Unicode.") from None


def check_state(state: ConversationState) -> None:
    """Raise `BadReply` if the state could not be written, or could not be read again."""
    if not isinstance(state.phase, str) or not isinstance(state.slots, dict):
        raise BadReply("The agent left a phase that is not a str, or slots that are not a dict.")
    try:
        to_json(state.slots)
        state.phase.encode()
    except ValueError as error:
        raise BadReply(f"The agent left something in the slots that is not JSON: {error}") from None


def log_close_error(turn: Turn, error: BaseException) -> None:
    """Log what an agent raised while it was being closed."""
    message = "The agent raised %s while it was being closed"
    hide = Redaction(words_of(turn)).text if turn.sensitive else None
    error_logging.log(logging.WARNING, logger, message, error=error, extra=about("agent.close_failed", turn), hide=hide)


def log_close_timeout(turn: Turn) -> None:
    """Log that an agent did not end within `CLOSE_SECONDS` of its cancellation."""
    logger.warning("The agent ignores its cancellation.", extra=about("agent.close_timed_out", turn))


def about(action: str, turn: Turn) -> dict[str, str]:
    """Return the `extra` of a log line about an agent's run."""
    return {"action": action, "call_sid": turn.call_sid, "turn_id": turn.turn_id}
