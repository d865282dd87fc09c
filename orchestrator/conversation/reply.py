"""A reply: what the agent says and does for a turn; and the turn's outcome."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.conversation.actions import INLINE_ACTIONS, LEAVING_ACTIONS, Action, InlineAction
from orchestrator.conversation.copies import changed
from orchestrator.conversation.open_values import OpenToNewer
from orchestrator.conversation.timings import Timings

Outcome = Literal["replied", "interrupted", "timed_out", "failed", "dropped"]
"""How a turn ended: `dropped` means that the call was over before it could run."""


def no_items() -> list[Any]:
    """Return an empty list. Pydantic would take the signature of `list` apart, for 5 ms of each start."""
    return []


class Reply(BaseModel):
    """Everything that the agent said (`text`, as streamed) and did (`actions`, in order; `at` is the place in the
    text).

    One that repeats what a sensitive turn brought is kept with `[hidden]` in its place; then `sealed_words` is all of
    it, encrypted, for those who speak it (`orchestrator.sensitive_turns`).
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    text: str = ""
    actions: list[Action] = Field(default_factory=no_items)
    sealed_words: str = Field(default="", repr=False, exclude_if=lambda words: not words)

    @property
    def leaves(self) -> bool:
        """True if the reply ends the session with its caller: it hangs up, transfers or records them."""
        return any(isinstance(action, LEAVING_ACTIONS) for action in self.actions)

    def add(self, action: Action) -> None:
        """Add `action` after the text so far."""
        self.actions.append(
            action.model_copy(update={"at": len(self.text)}) if isinstance(action, INLINE_ACTIONS) else action
        )

    def completed(self) -> "Reply":
        """Return the finished reply, in which inline actions after all of the text have no `at`."""
        end = len(self.text)
        done = [
            action.model_copy(update={"at": None})
            if isinstance(action, INLINE_ACTIONS) and action.at == end
            else action
            for action in self.actions
        ]
        return changed(self, actions=done)


class Position(NamedTuple):
    """A place in a reply: after the first `characters` of its text and the first `actions` of its inline actions."""

    characters: int = 0
    actions: int = 0


START = Position()


def in_order(text: str, actions: Sequence[InlineAction], start: Position = START) -> list[str | InlineAction]:
    """Return what follows `start` in a reply: text and inline `actions`, in the order in which they are carried out."""
    parts: list[str | InlineAction] = []
    since = start.characters
    for action in actions[start.actions :]:
        at = len(text) if action.at is None else min(action.at, len(text))
        if at > since:
            parts.append(text[since:at])
            since = at
        parts.append(action)
    if since < len(text):
        parts.append(text[since:])
    return parts


class TurnResult(BaseModel):
    """What the ingress gets for a turn, and again for each retry of it.

    `overlap` is the agent's policy for turns that arrive while another one runs, or None if it is not known. `timings`
    says when the turn reached its stages (`orchestrator.conversation.timings`). `preceding` are replies that the caller
    is to hear before this one: those to own turns, which no webhook has fetched yet. `interrupt` is the turn's: its
    reply cuts off what is being said.
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    call_sid: str
    turn_id: str
    outcome: Annotated[Outcome, OpenToNewer()]
    reply: Reply = Field(default_factory=Reply)
    overlap: str | None = Field(default=None, exclude_if=lambda overlap: overlap is None)
    timings: Timings = Field(default_factory=dict, exclude_if=lambda timings: not timings)
    preceding: list[Reply] = Field(default_factory=no_items, exclude_if=lambda replies: not replies)
    interrupt: bool = Field(default=False, exclude_if=lambda interrupt: not interrupt)
