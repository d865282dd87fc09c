"""Which events the steps of a call have, and what they say."""

import json
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.clock import utc_now
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.events.call_events import CallEvents
from orchestrator.events.event import EVENT_TYPES
from orchestrator.events.outbox import Announcement, Unended
from orchestrator.turns.outcome import committed_state, with_record

BY_DEFAULT = frozenset(EVENT_TYPES) - {"turn.completed"}
SINKS = ("webhook", "file")


def events_of(*wanted: str) -> CallEvents:
    return CallEvents(frozenset(wanted) or BY_DEFAULT, SINKS, agent="front_desk", worker_version="v7", tenant="north")


def state_of(channel: str = "gather", **fields: Any) -> ConversationState:
    fields = {"from_number": "+15551234567", "to_number": "+15550001111", "version": 1} | fields
    return ConversationState(call_sid="CA1", channel=channel, **fields)


def record_of(
    kind: TurnKind = "speech", text: str = "hello", *, turn_id: str = "t1", outcome: Outcome = "replied",
    reply: Reply | None = None, reason: str = "",
) -> TurnRecord:  # fmt: skip
    record = TurnRecord.of(
        Turn(turn_id=turn_id, call_sid="CA1", kind=kind, text=text), outcome, reply or Reply(text="Hi."), epoch=3
    )
    record.reason = reason
    return record


def with_turn(state: ConversationState, record: TurnRecord) -> ConversationState:
    return committed_state(state, None, record)


def commit(events: CallEvents, before: ConversationState, record: TurnRecord) -> Announcement | None:
    return events.committed(before, with_turn(before, record), record)


def told(announcement: Announcement | None) -> list[str]:
    return [] if announcement is None else [new.event.type for new in announcement.events]


def data_of(announcement: Announcement | None, kind: str) -> dict[str, Any]:
    assert announcement is not None
    (found,) = (new.event.data for new in announcement.events if new.event.type == kind)
    return found


def greeted(channel: str = "gather") -> ConversationState:
    return with_turn(state_of(channel), record_of("started", "", turn_id="0"))


def test_a_call_that_is_accepted_has_a_head_and_is_told() -> None:
    state = state_of(direction="inbound")
    announcement = events_of().accepted(state)
    assert announcement is not None
    head = announcement.head
    assert (head.call_sid, head.channel, head.from_number, head.to_number) == (
        "CA1", "gather", "+15551234567", "+15550001111",
    )  # fmt: skip
    assert (head.agent, head.tenant, head.worker_version) == ("front_desk", "north", "v7")
    assert head.life == json.loads(state.model_dump_json())["created_at"]
    (new,) = announcement.events
    assert (new.event.type, new.sinks) == ("call.started", SINKS)
    assert new.event.data == {
        "call_sid": "CA1", "agent": "front_desk", "tenant": "north", "worker_version": "v7", "channel": "gather",
        "direction": "inbound", "from_number": "+15551234567", "to_number": "+15550001111", "started_at": head.life,
    }  # fmt: skip


def test_without_a_wanted_type_or_a_sink_nothing_is_announced() -> None:
    ending = record_of("ended", "completed")
    silent = CallEvents(BY_DEFAULT, (), agent="a", worker_version="v")
    for events in (silent, events_of("message.sent")):
        assert events.accepted(state_of()) is None
        assert commit(events, state_of(), record_of()) is None
        assert commit(events, greeted(), ending) is None
        head = events_of().accepted(state_of())
        assert head is not None
        assert events.ended(Unended(head.head, None)) is None


def test_a_head_alone_is_written_if_only_the_end_is_wanted() -> None:
    accepted = events_of("call.ended").accepted(state_of())
    assert accepted is not None
    assert accepted.events == ()
    assert events_of("turn.failed").accepted(state_of()) is None


def test_the_first_turn_brings_the_head_and_an_ordinary_one_nothing() -> None:
    first = commit(events_of(), state_of(), record_of("started", ""))
    assert first is not None
    assert (told(first), first.closes_later) == ([], False)
    assert commit(events_of(), greeted(), record_of()) is None
    assert commit(events_of("turn.failed"), state_of(), record_of()) is None


def test_a_turn_is_told_if_that_is_wanted() -> None:
    record = record_of(text="my knee")
    record.heard = ""
    announcement = commit(events_of("turn.completed"), greeted(), record)
    data = data_of(announcement, "turn.completed")
    assert (data["turn_id"], data["kind"], data["text"], data["outcome"]) == ("t1", "speech", "my knee", "replied")
    assert (data["reply"], data["heard"]) == ({"text": "Hi.", "actions": []}, "")
    assert data["received_at"] <= data["committed_at"]
    assert "epoch" not in data


def test_a_turn_that_was_not_run_is_not_told() -> None:
    dropped = record_of(outcome="dropped", reply=Reply())
    assert told(commit(events_of("turn.completed"), greeted(), dropped)) == []


@pytest.mark.parametrize(
    ("outcome", "reason", "expected"),
    [
        ("failed", "the agent raised ValueError (front_desk.py:3, in answer)", "agent_raised"),
        ("failed", "it ended the process that it ran in alone, at attempt 3", "process_lost"),
        ("timed_out", "the agent had not answered after 20 s", "timed_out"),
    ],
)
def test_a_failed_turn_is_told_with_the_class_of_its_reason(outcome: Outcome, reason: str, expected: str) -> None:
    data = data_of(commit(events_of(), greeted(), record_of(outcome=outcome, reason=reason)), "turn.failed")
    assert (data["turn_id"], data["outcome"], data["class"], data["reason"]) == ("t1", outcome, expected, reason)


def test_a_transfer_is_told_with_whom_it_reaches() -> None:
    reply = Reply(actions=[Transfer("+15557654321", reason="asked for a person")])
    announcement = commit(events_of(), greeted(), record_of(reply=reply))
    assert told(announcement) == ["call.transferred"]
    data = data_of(announcement, "call.transferred")
    assert (data["turn_id"], data["to"], data["reason"]) == ("t1", "+15557654321", "asked for a person")
    assert announcement is not None
    assert not announcement.closes_later


def test_a_transfer_after_a_hang_up_does_not_happen() -> None:
    reply = Reply(actions=[HangUp(), Transfer("+15557654321")])
    assert "call.transferred" not in told(commit(events_of(), greeted(), record_of(reply=reply)))


@pytest.mark.parametrize("word", ["completed", "busy", "no-answer", "failed", "canceled", "abandoned"])
def test_the_providers_word_ends_the_call(word: str) -> None:
    announcement = commit(events_of(), greeted(), record_of("ended", word, turn_id="ended", reply=Reply()))
    assert told(announcement) == ["call.ended"]
    data = data_of(announcement, "call.ended")
    assert data["status"] == word
    assert [turn["kind"] for turn in data["turns"]] == ["started", "ended"]
    assert "partial" not in data
    assert announcement is not None
    assert not announcement.closes_later


def test_a_call_that_ends_before_its_first_turn_was_run_is_told_whole() -> None:
    before = state_of()
    dropped = with_turn(before, record_of("started", "", outcome="dropped", reply=Reply()))
    announcement = commit(events_of(), dropped, record_of("ended", "completed", turn_id="ended"))
    assert [turn["outcome"] for turn in data_of(announcement, "call.ended")["turns"]] == ["dropped", "replied"]


def test_a_placed_call_that_nobody_answered_is_told() -> None:
    before = state_of(direction="outbound-api")
    data = data_of(commit(events_of(), before, record_of("ended", "no-answer")), "call.ended")
    assert (data["status"], data["direction"]) == ("no-answer", "outbound-api")


def test_an_agents_hang_up_waits_for_the_providers_word() -> None:
    goodbye = record_of(reply=Reply(text="Goodbye.", actions=[HangUp()]))
    before = greeted()
    over = with_turn(before, goodbye)
    hung_up = events_of().committed(before, over, goodbye)
    assert hung_up is not None
    assert (told(hung_up), hung_up.closes_later) == ([], True)
    ending = record_of("ended", "completed", turn_id="ended", outcome="dropped", reply=Reply())
    announcement = commit(events_of(), over, ending)
    data = data_of(announcement, "call.ended")
    assert (data["status"], data["reason"]) == ("completed", "agent hung up")
    assert announcement is not None
    assert not announcement.closes_later


def test_a_turn_that_comes_after_the_hang_up_changes_nothing() -> None:
    over = with_turn(greeted(), record_of(reply=Reply(actions=[HangUp()])))
    late = record_of(turn_id="t2", outcome="dropped", reply=Reply())
    assert commit(events_of("call.ended", "turn.completed"), over, late) is None


def test_a_text_conversation_ends_with_the_agents_hang_up() -> None:
    goodbye = record_of(reply=Reply(text="Goodbye.", actions=[HangUp()]))
    announcement = commit(events_of(), greeted("api"), goodbye)
    assert told(announcement) == ["call.ended"]
    over = with_turn(greeted("api"), goodbye)
    late = record_of(turn_id="t2", outcome="dropped", reply=Reply())
    assert commit(events_of(), over, late) is None


def test_a_turn_that_is_settled_again_is_not_told_again() -> None:
    record = record_of(outcome="failed", reason="the agent raised KeyError (a.py:1)")
    state = with_turn(greeted(), record)
    assert told(events_of("turn.failed", "turn.completed").committed(state, state, record)) == []
    assert told(events_of("turn.failed").committed(None, state, record)) == ["turn.failed"]


def test_the_end_of_a_full_call_is_told_although_its_turn_has_no_room() -> None:
    turns = [record_of(turn_id=str(number)) for number in range(1000)]
    full = state_of(turns=turns, status="completed", ended=EndRecord(status="completed", reason="agent hung up"))
    ending = record_of("ended", "completed", turn_id="ended", outcome="dropped", reply=Reply())
    after = with_record(full, None, ending)
    assert after is not None
    assert len(data_of(events_of().committed(full, after, ending), "call.ended")["turns"]) == 1000


def test_a_record_says_who_when_and_how() -> None:
    began = utc_now() - timedelta(seconds=61.5)
    end = EndRecord(status="completed", reason="agent hung up", at=began + timedelta(seconds=61.25))
    state = greeted().model_copy(
        update={"created_at": began, "ended": end, "phase": "done", "slots": {"name": "Ada"}, "status": "completed"}
    )
    head = events_of().accepted(state)
    assert head is not None
    new = events_of().ended(Unended(head.head, state))
    assert new is not None
    data = new.event.data
    assert (data["duration_seconds"], data["phase"], data["slots"]) == (61.25, "done", {"name": "Ada"})
    assert (data["agent"], data["tenant"], data["worker_version"]) == ("front_desk", "north", "v7")
    assert data["started_at"] < data["ended_at"]
    assert new.sinks == SINKS


def test_a_call_whose_state_is_gone_is_told_by_its_head() -> None:
    state = state_of()
    accepted = events_of().accepted(state)
    assert accepted is not None
    later = state.model_copy(update={"created_at": utc_now() + timedelta(hours=2), "ended": EndRecord(status="busy")})
    for found in (None, later):  # or the SID was used again
        new = CallEvents(BY_DEFAULT, ("file",), agent="other", worker_version="v8").ended(Unended(accepted.head, found))
        assert new is not None
        data = new.event.data
        assert (data["partial"], data["status"], data["turns"], data["ended_at"]) == (True, "expired", [], None)
        assert (data["from_number"], data["started_at"]) == ("+15551234567", accepted.head.life)
        assert (data["agent"], data["worker_version"]) == ("front_desk", "v7")


def test_a_record_is_json_whatever_the_slots_hold() -> None:
    circle: list[Any] = []
    circle.append(circle)
    slots = {
        "odd": {1, 2}, "when": utc_now(), "nan": float("nan"), "half": "a\ud800b", "circle": circle,
        "object": object(), "bytes": b"\xff\xfe", "plain": {"deep": [1, None]},
    }  # fmt: skip
    state = greeted().model_copy(update={"slots": slots, "ended": EndRecord(status="completed")})
    state.turns[0].__pydantic_extra__ = {"note": "a\ud800b", "circle": circle, "timings": {"claimed": 3}}
    state.turns[0].reply = Reply(text="c\ud800d", actions=[HangUp(reason="e\ud800f")])
    head = events_of().accepted(state)
    assert head is not None
    new = events_of().ended(Unended(head.head, state))
    assert new is not None
    data = json.loads(new.event.model_dump_json())["data"]
    told = data["turns"][0]
    assert (told["heard"], told["reply"]["text"], told["reply"]["actions"][0]["reason"]) == ("c?d", "c?d", "e?f")
    assert data["slots"]["plain"] == {"deep": [1, None]}
    assert (data["slots"]["half"], data["slots"]["nan"]) == ("a?b", None)
    assert data["turns"][0]["timings"] == {"claimed": 3}
    json.dumps(data, allow_nan=False)


def test_a_record_of_a_thousand_turns_holds_all_of_them() -> None:
    turns = [record_of(text="words " * 100, turn_id=str(number)) for number in range(1000)]
    state = state_of(turns=turns, ended=EndRecord(status="completed"))
    head = events_of().accepted(state)
    assert head is not None
    new = events_of().ended(Unended(head.head, state))
    assert new is not None
    told_turns = json.loads(new.event.model_dump_json())["data"]["turns"]
    assert [turn["turn_id"] for turn in told_turns] == [str(number) for number in range(1000)]


def test_events_say_what_the_state_says_of_agent_tenant_and_version():
    events = events_of(*EVENT_TYPES)
    begun = state_of(agent="reception", tenant="south")
    accepted = events.accepted(begun)
    assert whose(data_of(accepted, "call.started")) == ("reception", "south", "v7")
    assert accepted is not None
    assert (accepted.head.agent, accepted.head.tenant, accepted.head.worker_version) == ("reception", "south", "v7")
    handed = begun.model_copy(update={"agent": "billing", "worker_version": "v8"})
    assert whose(data_of(commit(events, handed, record_of()), "turn.completed")) == ("billing", "south", "v8")
    ended = handed.model_copy(update={"ended": EndRecord(status="completed")})
    new = events.ended(Unended(accepted.head, ended))
    assert new is not None
    assert whose(new.event.data) == ("billing", "south", "v8")


def whose(data: dict[str, Any]) -> tuple[str, str, str]:
    return data["agent"], data["tenant"], data["worker_version"]
