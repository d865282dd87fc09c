"""What docs/events.md says is so: its examples are events as they are written, and its code works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.event_types import EVENT_TYPES
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import Event
from orchestrator.events.outbox import Announcement
from orchestrator.schedule.item import MessageItem
from orchestrator.settings.event_settings import EventSettings
from orchestrator.text_messages.status_event import status_event
from orchestrator.turns.outcome import committed_state

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
SECRET = "whsec_" + "QUJD" * 8


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def examples() -> dict[str, Event]:
    return {event.type: event for event in map(Event.model_validate_json, blocks("json"))}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def committed(record: TurnRecord) -> Announcement:
    events = CallEvents(frozenset(EVENT_TYPES), ("file",), agent="a", worker_version="v")
    before = ConversationState(call_sid="CA1")
    announcement = events.committed(before, committed_state(before, None, record), record)
    assert announcement is not None
    return announcement


def written() -> dict[str, dict[str, Any]]:
    """One event of each type that is written."""
    failed = TurnRecord.of(Turn(turn_id="t", call_sid="CA1", kind="speech"), "failed", Reply())
    turn = Turn(turn_id="t", call_sid="CA1", kind="ended")
    ending = TurnRecord.of(turn, "replied", Reply(text="Bye", actions=[HangUp()]))
    ending.timings.update(claimed=1.0)
    away = TurnRecord.of(
        Turn(turn_id="t", call_sid="CA1", kind="speech"), "replied", Reply(actions=[Transfer("+15551234567")])
    )
    accepted = CallEvents(frozenset(EVENT_TYPES), ("file",), agent="a", worker_version="v").accepted(
        ConversationState(call_sid="CA1")
    )
    assert accepted is not None
    item = MessageItem(
        item_id="message-1", call_sid="CA1", life="2026-11-27T01:00:00+00:00", asked_by="t", due_at=utc_now(),
        to="+15551234567", text="See you.",
    )  # fmt: skip
    events = CallEvents(frozenset(EVENT_TYPES), ("file",), agent="a", worker_version="v")
    sent = status_event(events, item, "sent", "SM1")
    assert sent is not None
    vain = TurnRecord.of(
        Turn(turn_id="~activity-1", call_sid="CA1", kind="activity", text="a", data={"error": "TimeoutError"}),
        "replied", Reply(),
    )  # fmt: skip
    erased = events.erased("CA1", ConversationState(call_sid="CA1"))
    assert erased is not None
    announcements = [accepted, *map(committed, (failed, away, vain, ending)), sent]
    told = [*(new for announcement in announcements for new in announcement.events), erased]
    return {new.event.type: new.event.data for new in told}


def test_each_type_that_is_written_has_an_example_with_its_fields() -> None:
    shown = {kind: set(event.data) for kind, event in examples().items()}
    assert shown == {kind: {*data, "seq"} for kind, data in written().items()}
    assert set(examples()["call.ended"].data["turns"][0]) == set(written()["call.ended"]["turns"][0])


def test_every_type_has_an_example() -> None:
    assert set(examples()) == set(EVENT_TYPES)


def test_the_table_has_every_setting_of_events() -> None:
    named = set(re.findall(r"^\| `(EVENTS\w*)` \|", section("Settings"), re.MULTILINE))
    ours = {name.upper() for name in EventSettings.model_fields if name.startswith("events")}
    assert named == ours


def test_the_code_in_python_verifies_a_signature() -> None:
    scope: dict[str, Any] = {}
    (code,) = (block for block in blocks("python") if "standardwebhooks" in block)
    exec(code, scope)
    event = examples()["call.started"]
    body, now = event.model_dump_json(), utc_now()
    headers = {
        "webhook-id": event.id, "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(event.id, now, body),
    }  # fmt: skip
    assert scope["received"](headers, body, SECRET) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        scope["received"](headers, body.replace("CA1", "CA2"), SECRET)


async def test_the_sink_of_the_page_is_one() -> None:
    scope: dict[str, Any] = {}
    (code,) = (block for block in blocks("python") if "CrmSink" in block)
    exec(code, scope)
    sink = scope["CrmSink"]()
    await sink.deliver(examples()["call.started"])
    await sink.deliver(examples()["call.ended"])
    await sink.close()
