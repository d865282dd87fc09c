"""A message whose mark the store does not confirm waits for the store, not for the provider."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from orchestrator import clock
from orchestrator.clock import utc_now
from orchestrator.errors import StoreUnconfirmed
from orchestrator.events.call_events import CallEvents
from orchestrator.schedule.item import MessageItem
from orchestrator.schedule.schedule import ItemLease, ScheduledRun
from orchestrator.settings import Settings
from orchestrator.text_messages.message_sender import MessageSender


@dataclass
class Unconfirmed:
    """A schedule whose marks no replica confirms; it notes when a message is tried again."""

    retried_at: list[float] = field(default_factory=list)
    undone: list[bool] = field(default_factory=list)

    async def mark_posting(self, run: ScheduledRun) -> bool:
        raise StoreUnconfirmed

    async def fail(self, run: ScheduledRun, retry_at: float, *, is_undone: bool = False) -> bool:
        self.retried_at.append(retry_at)
        self.undone.append(is_undone)
        return True


class NoProvider:
    """A provider that has nothing, and is never given anything."""

    async def find_messages(self, *_: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("failures", [0, 3, 10])
async def test_it_is_tried_again_soon_however_long_the_outage_was(failures: int) -> None:
    schedule = Unconfirmed()
    settings = Settings(
        _env_file=None, twilio_account_sid="AC1", twilio_auth_token="x", twilio_from_number="+15551230000"
    )
    events = CallEvents(frozenset(), (), "agent", "1")
    sender = MessageSender(schedule, settings, NoProvider(), events)  # type: ignore[arg-type]
    item = MessageItem(
        item_id="message-1", call_sid="CA1", life="now", asked_by="turn-1", due_at=utc_now(), to="+15558675310",
        text="See you.",
    )  # fmt: skip
    run = ScheduledRun(item, ItemLease("CA1", item.item_id, "here", 1), attempt=failures + 1, failures=failures)
    before = clock.now()
    await sender.carry_out(run)
    (retry_at,) = schedule.retried_at
    assert 0 < retry_at - before < 60, "a provider that refuses ten times is asked after minutes"
    assert schedule.undone == [True]
