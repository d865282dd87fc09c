"""What all actions have in common."""

from collections.abc import Callable
from typing import ParamSpec

from pydantic import BaseModel, ConfigDict, Field

P = ParamSpec("P")


def by_position(init: Callable[P, None]) -> Callable[P, None]:
    """Mark an `__init__` as one for people: it takes its first arguments by position, and does nothing more.

    Pydantic calls no such `__init__` when it reads JSON, as it does not call its own. Otherwise an action that lacks a
    field would raise a TypeError, which is not a ValidationError, and so make its whole call unreadable.
    """
    init.__pydantic_base_init__ = True  # type: ignore[attr-defined]
    return init


class BaseAction(BaseModel):
    """An action. An older process must be able to read, keep and pass on what a newer one wrote.

    `sealed_words` are the fields, encrypted, that repeat what a sensitive turn brought, in a record that hides it.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    sealed_words: str = Field(default="", repr=False, exclude_if=lambda words: not words)


class InlineAction(BaseAction):
    """Takes effect within the text. The program sets `at`: the number of characters of the reply's text before the
    action, or None for after the whole text.
    """

    at: int | None = Field(default=None, ge=0, exclude_if=lambda at: at is None)
