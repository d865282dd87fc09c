"""`AgentRun`: one agent answering one turn. Its parts are checked here, and its state is kept apart."""

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
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadReply

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 0.5
"""How long closing waits for an agent that ignores its cancellation."""
SELF_CANCELLED = "The agent let a CancelledError out that nobody sent it. Catch it where a task is awaited."


class AgentRun(ABC):
    """The parts an agent yields for one turn, as an async iterator; begins when first asked for a part.

        async with host.run(agent, turn, state) as run:
            async for part in run:
                ...
        save(run.state)

    Leaving the block early, `aclose()`, or cancelling the task that waits for a part cancels the agent: its
    `finally` blocks run, and closing takes `CLOSE_SECONDS` at most. What the agent raises comes out as it is;
    what it yields that is no part, and what it leaves in the state that is no JSON, raises `BadReply`.

    The agent works on a copy of `state`; the given one is never changed, and must not be changed meanwhile.
    """

    def __init__(self, agent: Agent, turn: Turn, state: ConversationState) -> None:
        self._agent = agent
        self._turn = turn
        self._given = state
        self._own: ConversationState | None = None
        self._left: ConversationState | None = None
        self.was_killed = False
        """Whether it could be ended only together with its process."""

    @property
    def state(self) -> ConversationState:
        """The state as the agent left it: with its `slots` and `phase`.

        While the agent runs it is the given one, and it stays so if the agent raised, left no JSON, or
        was closed before its end: its changes are complete or absent. See also `state_when_stopped`.
        """
        return self._given if self._left is None else self._left

    @property
    def state_when_stopped(self) -> ConversationState:
        """The state as it was when the agent was stopped: what it had changed until then counts.

        For after closing. It is the given one if the agent does not heed its cancellation and may still change
        things, or raised, or left no JSON.
        """
        if self._left is not None:
            return self._left
        if self._own is None or not self._was_stopped:
            return self._given
        try:
            check_state(self._own)
        except BadReply as error:
            logger.warning(
                "What a stopped agent had changed is dropped: %s", error,
                extra={"action": "agent.state_invalid", "call_sid": self._turn.call_sid, "turn_id": self._turn.turn_id},
            )  # fmt: skip
            return self._given
        return self._own

    @property
    @abstractmethod
    def _was_stopped(self) -> bool:
        """Whether the agent has ended, and ended well, because it was told to."""

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> Part:
        """The next part."""

    @abstractmethod
    async def aclose(self) -> None:
        """End the agent if it still runs. Closing twice is fine."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def own_copy(state: ConversationState) -> ConversationState:
    """A copy whose slots, phase and list of turns an agent may change; past turns are shared."""
    return state.model_copy(update={"slots": deepcopy(state.slots), "turns": list(state.turns)})


async def parts_of(agent: Agent, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
    """The agent's parts, each of them checked, and at last its state."""
    parts = _iterated(agent, turn, state)
    speech = SpeechFilter(thoughts=agent.thoughts) if agent.speech_filter else None
    try:
        async for part in parts:
            checked = _checked(part)
            for said in (checked,) if speech is None else _spoken(checked, speech):
                yield said
        if speech is not None and (rest := speech.end()):
            yield rest
        check_state(state)
    except (SystemExit, KeyboardInterrupt) as error:  # an agent must not end the process that runs it
        raise BadReply(f"The agent tried to end the process ({type(error).__name__}). Yield HangUp().") from error
    finally:
        if hasattr(parts, "aclose"):
            await parts.aclose()


def _spoken(part: Part, speech: SpeechFilter) -> Iterator[Part]:
    """What is said and done of a part, once it went through the filter."""
    if isinstance(part, str):
        text = speech.feed(part)
        if text or not part:
            yield text
        return
    if text := speech.pause():
        yield text
    yield part


def _iterated(agent: Agent, turn: Turn, state: ConversationState) -> Any:
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
        raise BadReply("The agent yielded text with half a surrogate pair: it is not Unicode.") from None


def check_state(state: ConversationState) -> None:
    """Refuse what could be written but not read again, or not be written at all."""
    if not isinstance(state.phase, str) or not isinstance(state.slots, dict):
        raise BadReply("The agent left a phase that is no str, or slots that are no dict.")
    try:
        to_json(state.slots)
        state.phase.encode()
    except ValueError as error:
        raise BadReply(f"The agent left something in the slots that is no JSON: {error}") from None


def log_close_error(turn: Turn, error: BaseException) -> None:
    """Log what an agent raised while it was being closed."""
    message = "The agent raised %s while it was being closed"
    error_logging.log(logging.WARNING, logger, message, error=error, extra=_of("agent.close_failed", turn))


def log_close_timeout(turn: Turn) -> None:
    """Log that an agent did not end within `CLOSE_SECONDS` of its cancellation."""
    logger.warning("The agent ignores its cancellation.", extra=_of("agent.close_timed_out", turn))


def _of(action: str, turn: Turn) -> dict[str, str]:
    return {"action": action, "call_sid": turn.call_sid, "turn_id": turn.turn_id}
