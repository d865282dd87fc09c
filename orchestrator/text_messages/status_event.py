"""The event `message.sent`: what became of a text message."""

from typing import Literal

from orchestrator.events.call_events import CallEvents
from orchestrator.events.outbox import Announcement
from orchestrator.schedule.item import MessageItem

Status = Literal["sent", "failed", "unknown"]
"""The provider took it, it was not sent, or nobody can find out."""


def status_event(events: CallEvents, item: MessageItem, status: Status, message_sid: str = "") -> Announcement | None:
    """Return what is told of a message that has this status now; None if nobody wants it."""
    whose = {"agent": item.agent, "tenant": item.tenant, "worker_version": item.worker_version}
    about = {"turn_id": item.asked_by, "to": item.told_to or item.to, "message_sid": message_sid, "status": status}
    return events.told_later("message.sent", item.call_sid, item.life, whose, about)
