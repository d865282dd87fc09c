"""A reply: what the agent says and does for a turn, and how the turn came out."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.conversation.actions import Action
from orchestrator.conversation.open_values import OpenToNewer

Outcome = Literal["replied", "interrupted", "timed_out", "failed", "dropped"]
"""How a turn ended: `dropped` means that the call was over before it could run."""


class Reply(BaseModel):
    """The whole of what was said (`text`, as streamed) and done (`actions`, in order)."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    text: str = ""
    actions: list[Action] = Field(default_factory=list)


class TurnResult(BaseModel):
    """What the ingress gets for a turn, and gets again for each retry of it."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    call_sid: str
    turn_id: str
    outcome: Annotated[Outcome, OpenToNewer()]
    reply: Reply = Field(default_factory=Reply)
