"""`CallContext`: the call, as a tool of an agent that was made with a framework gets it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from orchestrator.agents.reply_text import AT_ONCE
from orchestrator.agents.sensitive_text import last_words
from orchestrator.agents.tool_records import key_of
from orchestrator.conversation.actions import ACTION_TYPES, Action
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

_current: "ContextVar[CallContext]" = ContextVar("voiceagent_call")


class CallContext:
    """One turn of a call. `turn` is what the caller did; `state` is the agent's own copy of the state: what a tool
    changes in its slots is saved with the turn."""

    def __init__(self, turn: Turn, state: ConversationState) -> None:
        self.turn = turn
        self.state = state
        self.actions: list[Action] = []
        """What `act` was given so far."""
        self._early_taken = 0

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the agent, as the routes give them."""
        return self.state.settings

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this turn. If a tool may be called more than once in a turn: `key_for`."""
        return self.turn.idempotency_key

    @property
    def sensitive_text(self) -> str:
        """What the caller said or keyed in the last sensitive turn of the call, this one or an earlier one; "" if there
        was none. The model does not see it."""
        return last_words(self.state)

    def key_for(self, tool: str, **arguments: Any) -> str:
        """Return the idempotency key of one call of a tool: the same for the same arguments in every attempt."""
        return key_of(self.turn, tool, arguments)

    def act(self, action: Action) -> None:
        """Carry out an action: an inline action before the agent speaks on, what is for later when the turn is saved,
        any other at the end of the reply.

        The same action twice is one. Raise TypeError if it is not an action.
        """
        if not isinstance(action, ACTION_TYPES):
            raise TypeError(f"{type(action).__name__} is not an action. Use HangUp(), Transfer(…), HandOff(…) …")
        if action not in self.actions:
            self.actions.append(action)

    def take_early_actions(self) -> list[Action]:
        """Return the actions that do not wait for the end of the reply, since the last call of this method."""
        new, self._early_taken = self.actions[self._early_taken :], len(self.actions)
        return [action for action in new if isinstance(action, AT_ONCE)]


def current_call() -> CallContext:
    """Return the call that the running agent answers, for a tool that is given no context.

    Raise LookupError if none does.
    """
    try:
        return _current.get()
    except LookupError:
        raise LookupError("No call is being answered here. current_call() is for tools of an agent.") from None


@contextmanager
def as_current(call: CallContext) -> Iterator[None]:
    """Make `call` the current one in this task, and in those that it starts meanwhile."""
    token = _current.set(call)
    try:
        yield
    finally:
        with suppress(ValueError):  # an async generator may be closed in another context than it began in
            _current.reset(token)
