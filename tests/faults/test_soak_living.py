"""The audit of calls that live finds what it is there to find, and nothing in a call in which all was right."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from soak.journal import CallJournal, Exchange
from soak.living import Told, actions_for, asked_in, said_by_itself, told_in, without_told
from soak.living_audit import Outage, audit_living
from soak.message_audit import asked_messages, compare_messages, statuses_of
from soak.verdict import Verdict

from orchestrator.conversation.actions import CancelTimer, SetTimer
from orchestrator.conversation.turn import Turn

SID = "CA1"
TIMER, ACTIVITY, SIGNAL = Told("timer", "t1"), Told("activity", "a1"), Told("signal", "s1")
EFFECTS = [[SID, "1", "CA1/activity-x"], [SID, "1", "CA1/activity-x"]]
TEXT = "CA1 1"


def at(seconds: float) -> str:
    return datetime.fromtimestamp(1000 + seconds, UTC).isoformat()


def record(turn_id: str, kind: str, text: str, said: str, seconds: float, **more: Any) -> dict[str, Any]:
    actions = more.pop("actions", [])
    return {
        "turn_id": turn_id, "kind": kind, "text": text, "outcome": "replied", "received_at": at(seconds),
        "committed_at": at(seconds), "timings": {"submitted": 1.0}, "reply": {"text": said, "actions": actions},
        "data": {}, "preceding": [], **more,
    }  # fmt: skip


def own(told: Told, seconds: float, **more: Any) -> dict[str, Any]:
    return record(f"~{told.name}", told.kind, told.name, told.sentence, seconds, **more)


def lived() -> tuple[CallJournal, dict[str, Any]]:
    """A call in which a timer, an activity, a message and a signal came, and were heard before the next answer."""
    asked = [
        {"type": "set_timer", "name": "t1", "seconds": 2.0},
        {"type": "start_activity", "name": "a1", "args": {"seconds": 1.0}},
        {"type": "send_message", "text": TEXT},
    ]
    heard = [ACTIVITY, TIMER, SIGNAL]
    turns = [
        record("turn-1", "speech", "number 1", "Right.", 0, actions=asked),
        own(ACTIVITY, 1.2, data={"result": {"number": 1}}),
        own(TIMER, 2.1),
        own(SIGNAL, 2.5),
        record("turn-2", "speech", "number 2", "Right.", 4, preceding=[{"text": told.sentence} for told in heard]),
    ]
    journal = CallJournal(SID, "gather", lives=True, over=True, signals={"s1": "taken"})
    journal.exchanges = [
        Exchange("turn-1", "number 1", 0.0, answered_at=0.1, answer="Right.", heard="reply"),
        Exchange("turn-2", "number 2", 4.0, answered_at=4.1, answer="Right.", heard="reply", told=heard),
    ]
    slots = {"own": [f"{told.kind} {told.name}" for told in heard]}
    return journal, {"call_sid": SID, "turns": turns, "slots": slots, "ended": {"at": at(30)}}


def audited(
    change: Callable[[CallJournal, dict[str, Any]], None] = lambda journal, state: None,
    *,
    effects: list[list[str]] = EFFECTS,
    outages: tuple[Outage, ...] = (),
) -> Verdict:
    journal, state = lived()
    change(journal, state)
    verdict = Verdict(states={SID: state})
    audit_living([journal], verdict, outages, effects)
    return verdict


def remove(kind: str) -> Callable[[CallJournal, dict[str, Any]], None]:
    """Take all of a kind out of the call, as if it had never come."""

    def change(journal: CallJournal, state: dict[str, Any]) -> None:
        state["turns"] = [turn for turn in state["turns"] if turn["kind"] != kind]
        state["slots"]["own"] = [told for told in state["slots"]["own"] if not told.startswith(kind)]
        state["turns"][-1]["preceding"] = [it for it in state["turns"][-1]["preceding"] if kind not in it["text"]]
        journal.exchanges[-1].told = [told for told in journal.exchanges[-1].told if told.kind != kind]

    return change


def double(kind: str) -> Callable[[CallJournal, dict[str, Any]], None]:
    def change(journal: CallJournal, state: dict[str, Any]) -> None:
        (came,) = (turn for turn in state["turns"] if turn["kind"] == kind)
        state["turns"].append(deepcopy(came))

    return change


def late(seconds: float) -> Callable[[CallJournal, dict[str, Any]], None]:
    def change(journal: CallJournal, state: dict[str, Any]) -> None:
        state["turns"][2]["received_at"] = at(2 + seconds)

    return change


def ended_at(seconds: float) -> Callable[[CallJournal, dict[str, Any]], None]:
    def change(journal: CallJournal, state: dict[str, Any]) -> None:
        remove("timer")(journal, state)
        remove("activity")(journal, state)
        state["ended"] = {"at": at(seconds)}

    return change


def cancelled(place: int) -> Callable[[CallJournal, dict[str, Any]], None]:
    """The timer is cancelled by a turn at this place."""

    def change(journal: CallJournal, state: dict[str, Any]) -> None:
        action = {"type": "cancel_timer", "name": "t1"}
        state["turns"].insert(place, record("turn-9", "speech", "forget 1", "Right.", 1.5, actions=[action]))

    return change


def test_a_call_in_which_all_was_right_is_no_finding() -> None:
    verdict = audited()
    assert verdict.findings == []
    assert verdict.living["own turns: timer"] == verdict.living["own turns: activity"] == 1
    assert (verdict.living["effects of activities"], verdict.living["runs of activities"]) == (1, 2)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (remove("timer"), "lost"),
        (remove("activity"), "lost"),
        (remove("signal"), "lost"),
        (double("timer"), "doubled"),
        (double("activity"), "doubled"),
        (double("signal"), "doubled"),
        (late(4.5), "late"),
        (late(-1.0), "wrong"),
        (cancelled(1), "wrong"),
        (lambda journal, state: journal.exchanges[-1].told.pop(), "lost"),
        (lambda journal, state: journal.exchanges[-1].told.append(TIMER), "doubled"),
        (lambda journal, state: state["slots"]["own"].pop(), "lost"),
        (lambda journal, state: state["slots"]["own"].append("timer t1"), "doubled"),
        (lambda journal, state: state["slots"]["own"].reverse(), "reordered"),
        (lambda journal, state: state["turns"][-1]["preceding"].reverse(), "reordered"),
        (lambda journal, state: state["turns"][-1]["preceding"].clear(), "lost"),
    ],
)
def test_what_went_wrong_is_found(change: Callable[[CallJournal, dict[str, Any]], None], found: str) -> None:
    assert getattr(audited(change), found) != []


def test_a_timer_may_be_late_by_the_time_in_which_redis_was_away() -> None:
    assert audited(late(4.5), outages=(Outage(1003, 1006),)).late == []


def test_what_the_end_of_the_call_took_is_not_lost_and_what_had_time_is() -> None:
    assert audited(ended_at(1.8)).findings == []
    assert len(audited(ended_at(40)).lost) == 2


def test_what_had_come_and_waited_until_its_call_ended_is_not_lost_and_may_be_late() -> None:
    def ended_behind_a_lost_worker(journal: CallJournal, state: dict[str, Any]) -> None:
        ended_at(40)(journal, state)
        state["turns"] += [own(ACTIVITY, 1.2, outcome="dropped"), own(TIMER, 2.1, outcome="dropped")]

    assert audited(ended_behind_a_lost_worker).findings == []

    def long_after_its_time(journal: CallJournal, state: dict[str, Any]) -> None:
        ended_behind_a_lost_worker(journal, state)
        state["turns"][-1]["received_at"] = at(9)

    assert len(audited(long_after_its_time).late) == 1


def test_a_timer_that_is_cancelled_once_it_has_gone_off_is_no_finding() -> None:
    assert audited(cancelled(3)).findings == []


def test_an_activity_with_two_keys_had_two_effects() -> None:
    assert len(audited(effects=[*EFFECTS, [SID, "1", "CA1/activity-y"]]).doubled) == 1


def test_an_activity_with_a_result_and_without_an_effect_is_wrong() -> None:
    assert len(audited(effects=[]).wrong) == 1


def test_an_activity_that_failed_is_counted() -> None:
    def fail(journal: CallJournal, state: dict[str, Any]) -> None:
        state["turns"][1]["data"] = {"error": "WorkerLost"}

    assert audited(fail, effects=[]).living["activities that failed: WorkerLost"] == 1


# Messages.

ASKED = {(SID, "turn-1"): TEXT}


def compared(posted: list[str], *statuses: str) -> Verdict:
    verdict = Verdict()
    compare_messages(ASKED, posted, {"file": {(SID, "turn-1"): list(statuses)}}, verdict)
    return verdict


def test_the_messages_of_a_state_are_found() -> None:
    assert asked_messages([lived()[1]]) == ASKED


@pytest.mark.parametrize(
    ("posted", "statuses"), [([TEXT], ["sent"]), ([TEXT], ["unknown"]), ([], ["unknown"]), ([], ["failed"])]
)
def test_a_message_that_was_posted_once_at_most_and_has_its_status_is_no_finding(
    posted: list[str], statuses: list[str]
) -> None:
    assert compared(posted, *statuses).findings == []


@pytest.mark.parametrize(
    ("posted", "statuses", "found"),
    [
        ([TEXT, TEXT], ["sent"], "doubled"),
        ([TEXT], ["sent", "unknown"], "doubled"),
        ([TEXT], [], "lost"),
        ([], [], "lost"),
        ([], ["sent"], "wrong"),
        ([TEXT], ["failed"], "wrong"),
        ([TEXT, "CA9 9"], ["sent"], "wrong"),
    ],
)
def test_whatever_else_is_found(posted: list[str], statuses: list[str], found: str) -> None:
    assert len(getattr(compared(posted, *statuses), found)) == 1


def test_an_event_that_came_twice_counts_once() -> None:
    event = {"id": "1", "type": "message.sent", "data": {"call_sid": SID, "turn_id": "turn-1", "status": "sent"}}
    assert statuses_of([event, event, {"id": "2", "type": "call.ended", "data": {}}]) == {(SID, "turn-1"): ["sent"]}


# The agent.


def test_what_is_said_by_itself_can_be_told_from_the_answer() -> None:
    text = f"{TIMER.sentence} {Told('transferred', 'no-answer').sentence} You said it."
    assert told_in(text) == [TIMER, Told("transferred", "no-answer")]
    assert without_told(text) == "You said it."


def test_what_is_asked_for_is_asked_for_by_its_number() -> None:
    turn = Turn(turn_id="1", call_sid=SID, kind="speech", text="number 7 amber please timer")
    (timer,) = actions_for(turn)
    assert isinstance(timer, SetTimer)
    assert (timer.name, timer.data, asked_in("please all")) == ("t7", {"number": 7}, {"timer", "activity", "text"})
    forgetting = turn.model_copy(update={"text": "number 8 forget 7"})
    assert next(iter(actions_for(forgetting))) == CancelTimer("t7")


def test_wrong_data_is_said_aloud() -> None:
    turn = Turn(turn_id="1", call_sid=SID, kind="timer", text="t7", data={"number": 8})
    assert said_by_itself(turn) == "By itself: timer t7-wrong."
