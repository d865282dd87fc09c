"""What is done with a claimed turn, decided from the claim and the agent alone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.agents.protocol import Agent, Overlap
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.turns.bounds import MOST_TURNS
from orchestrator.turns.isolation import MOST_ATTEMPTS, MOST_ATTEMPTS_ALONE
from orchestrator.turns.store import Claim, Lease
from orchestrator.turns.turn_plan import (
    DeadLetter,
    Drop,
    Full,
    NoteOnly,
    Recorded,
    Run,
    Unreadable,
    overlap_policy,
    plan,
)


async def silent(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    for part in ():
        yield part


AGENT = Agent("test", silent)


def turn(turn_id: str = "b", **fields: Any) -> Turn:
    return Turn(**{"turn_id": turn_id, "call_sid": "CA1", "kind": "speech", "text": "hello"} | fields)


def record(turn_id: str, text: str = "Good morning.") -> TurnRecord:
    return TurnRecord.of(turn(turn_id), "replied", Reply(text=text), epoch=1)


def state(*records: TurnRecord, **fields: Any) -> ConversationState:
    return ConversationState(call_sid="CA1", turns=list(records), **fields)


def claim(claimed: Turn, stored: ConversationState | None, **fields: Any) -> Claim:
    return Claim(lease=Lease("CA1", "me", 2), turn=claimed, state=stored, **fields)


def test_an_ordinary_turn_is_run_with_the_state_as_it_is() -> None:
    stored = state(record("a"))
    assert plan(claim(turn(), stored), AGENT) == Run(stored)


def test_a_turn_of_a_call_without_a_state_or_after_its_end_is_dropped() -> None:
    over = state(status="completed", ended=EndRecord(status="completed", reason="agent hung up"))
    assert plan(claim(turn(), None), AGENT) == Drop()
    assert plan(claim(turn(), over), AGENT) == Drop()


def test_when_the_end_of_the_call_waits_only_that_is_run() -> None:
    ending = turn("ended", kind="ended", text="completed")
    stored = state()
    assert plan(claim(turn(), stored, ending=True), AGENT) == Drop()
    assert plan(claim(ending, stored, ending=True), AGENT) == Run(stored)


def test_a_turn_that_was_run_before_keeps_its_record() -> None:
    known = record("b")
    assert plan(claim(turn(), state(known)), AGENT) == Recorded(known)


def test_a_state_that_cannot_be_read_is_left_to_others_until_the_last_attempt() -> None:
    unreadable = claim(turn(), None, unreadable=True)
    assert plan(unreadable, AGENT) == Unreadable()
    unreadable.attempt = MOST_ATTEMPTS
    assert plan(unreadable, AGENT) == DeadLetter(None, "the state of its call cannot be read")


def test_a_turn_that_lost_its_worker_too_often_becomes_a_dead_letter() -> None:
    stored, reason = state(), f"its worker was lost {MOST_ATTEMPTS_ALONE} times while it ran"
    assert plan(claim(turn(), stored, attempt=MOST_ATTEMPTS_ALONE), AGENT) == Run(stored)
    assert plan(claim(turn(), stored, attempt=MOST_ATTEMPTS_ALONE + 1), AGENT) == DeadLetter(stored, reason)


def test_a_full_call_ends_without_the_agent_but_its_own_end_is_run() -> None:
    full = state(*(record(str(number)) for number in range(MOST_TURNS - 1)))
    assert plan(claim(turn(), full), AGENT) == Full(full)
    assert plan(claim(turn("ended", kind="ended", text="completed"), full), AGENT) == Run(full)


@pytest.mark.parametrize(("asks_agent", "expected"), [(False, NoteOnly), (True, Run)])
def test_an_interruption_notes_what_was_heard_and_runs_only_an_agent_that_wants_it(
    asks_agent: bool, expected: type[NoteOnly | Run]
) -> None:
    interruption = turn(kind="interrupted", text="Good", interrupts="a")
    planned = plan(claim(interruption, state(record("a"))), Agent("test", silent, interruptions=asks_agent))
    assert isinstance(planned, expected)
    assert planned.state.turns[0].heard == "Good"


@pytest.mark.parametrize(("overlap", "heard"), [("interrupt", "Good"), ("enqueue", None)])
def test_a_reply_that_the_caller_did_not_hear_out_is_noted_if_turns_interrupt(
    overlap: Overlap, heard: str | None
) -> None:
    claimed = claim(turn(unfinished={"a": "Good"}), state(record("a")))
    planned = plan(claimed, Agent("test", silent, overlap=overlap))
    assert isinstance(planned, Run)
    assert planned.state.turns[0].heard == heard


def test_turns_interrupt_on_a_relay_and_queue_elsewhere_unless_the_agent_says_otherwise() -> None:
    on_relay, elsewhere = claim(turn(), state(channel="relay")), claim(turn(), state(channel="gather"))
    assert [overlap_policy(on_relay, AGENT), overlap_policy(elsewhere, AGENT)] == ["interrupt", "enqueue"]
    assert overlap_policy(on_relay, Agent("test", silent, overlap="merge")) == "merge"
