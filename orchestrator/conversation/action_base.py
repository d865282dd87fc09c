"""What all actions have in common."""

from pydantic import BaseModel, ConfigDict, Field


class BaseAction(BaseModel):
    """An action. An older process must be able to read, keep and pass on what a newer one wrote."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)


class InlineAction(BaseAction):
    """Takes effect within the text. The program sets `at`: the number of characters of the reply's text before the
    action, or None for after the whole text.
    """

    at: int | None = Field(default=None, ge=0, exclude_if=lambda at: at is None)
