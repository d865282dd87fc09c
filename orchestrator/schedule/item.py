"""Scheduled items: a timer, an activity or a text message of a call, as the commit of a turn writes them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from orchestrator.conversation.turn import OWN_PREFIX


class _Item(BaseModel):
    """What all items have. `item_id` is unique, and the same when the commit is repeated; `life` is when the call's
    state was created (ISO 8601); `asked_by` is the id of the turn that asked for it; it is due at `due_at`, by the
    server's clock. `sealed_words` are the fields, encrypted, that repeat what a sensitive turn of the call brought.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True, defer_build=True)

    item_id: str
    call_sid: str
    life: str
    asked_by: str
    due_at: datetime
    sealed_words: str = Field(default="", repr=False, exclude_if=lambda words: not words)

    @property
    def turn_id(self) -> str:
        """Return the id of the turn that the item brings."""
        return OWN_PREFIX + self.item_id

    @property
    def idempotency_key(self) -> str:
        """Return what is the same for every run of this item, and no other."""
        return f"{self.call_sid}/{self.item_id}"


class TimerItem(_Item):
    """A timer: at `due_at` its turn is submitted."""

    kind: Literal["timer"] = "timer"
    name: str
    data: dict[str, Any] = Field(default_factory=dict)


class ActivityItem(_Item):
    """An activity: see `StartActivity`."""

    kind: Literal["activity"] = "activity"
    name: str
    function: str
    args: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: float
    retries: int
    agent: str = ""
    tenant: str = ""
    worker_version: str = ""

    @property
    def whose(self) -> dict[str, str]:
        """Return whose call it is of: it is told of when that is gone, too."""
        return {"agent": self.agent, "tenant": self.tenant, "worker_version": self.worker_version}


class MessageItem(_Item):
    """A text message: see `SendMessage`. It is sent although the call has ended meanwhile, and its state is gone.

    So it has what is told of it: `agent`, `tenant` and `worker_version` are those of the call. `told_to` stands for
    `to` in what is told, if that is to be hidden; only an item that is opened has it.
    """

    kind: Literal["message"] = "message"
    to: str
    text: str
    told_to: str = Field(default="", exclude=True)
    agent: str = ""
    tenant: str = ""
    worker_version: str = ""


ScheduledItem = Annotated[TimerItem | ActivityItem | MessageItem, Field(discriminator="kind")]
_ITEM: TypeAdapter[ScheduledItem] = TypeAdapter(ScheduledItem, config=ConfigDict(defer_build=True))


def read_item(text: bytes | str) -> ScheduledItem:
    """Return the item of this JSON. Raise ValueError if it is none that this version knows."""
    return _ITEM.validate_json(text)
