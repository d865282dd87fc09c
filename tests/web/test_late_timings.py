"""What an ingress learns of a turn after its commit, until the next turn of the call takes it along."""

from orchestrator.conversation.timings import FIRST_HEARD, FIRST_SENT
from orchestrator.testing.example_turns import a_turn
from web.late_timings import MOST_CALLS, MOST_TURNS, LateTimings


def test_the_next_turn_takes_it_along_until_it_is_stored() -> None:
    late = LateTimings()
    late.note(a_turn("t1"), FIRST_SENT, 12.5)
    late.note(a_turn("t1", "CA2"), FIRST_SENT, 99.0)
    first_try, second_try = late.sent_with(a_turn("t2")), late.sent_with(a_turn("t2"))
    assert first_try.late_timings == second_try.late_timings == {"t1": {"first_sent": 12.5}}
    late.stored(second_try)
    assert late.sent_with(a_turn("t3")).late_timings == {}
    assert late.sent_with(a_turn("t2", "CA2")).late_timings == {"t1": {"first_sent": 99.0}}


def test_what_becomes_known_while_it_is_stored_goes_with_the_turn_after() -> None:
    late = LateTimings()
    late.note(a_turn("t1"), FIRST_SENT, 12.5)
    sent = late.sent_with(a_turn("t2"))
    late.note(a_turn("t1"), FIRST_HEARD, 400.0)
    late.note(a_turn("t2"), FIRST_SENT, 3.0)
    late.stored(sent)
    assert late.sent_with(a_turn("t3")).late_timings == {"t1": {"first_heard": 400.0}, "t2": {"first_sent": 3.0}}


def test_the_first_time_counts_and_no_turn_brings_its_own() -> None:
    late = LateTimings()
    late.note(a_turn("t1"), FIRST_SENT, 12.5)
    late.note(a_turn("t1"), FIRST_SENT, 13.5)
    assert late.sent_with(a_turn("t1")).late_timings == {}
    assert late.sent_with(a_turn("t2")).late_timings == {"t1": {"first_sent": 12.5}}


def test_a_call_that_is_forgotten_leaves_nothing() -> None:
    late = LateTimings()
    late.note(a_turn("t1"), FIRST_SENT, 12.5)
    late.forget("CA1")
    late.forget("CA2")
    assert late.sent_with(a_turn("t2")).late_timings == {}


def test_it_is_bounded() -> None:
    late = LateTimings()
    for number in range(MOST_TURNS + 3):
        late.note(a_turn(f"t{number}", "CA-last"), FIRST_SENT, 1.0)
    known = late.sent_with(a_turn("t", "CA-last")).late_timings
    assert list(known) == [f"t{number}" for number in range(3, MOST_TURNS + 3)]
    for number in range(MOST_CALLS):
        late.note(a_turn("t1", f"CA{number}"), FIRST_SENT, 1.0)
    assert late.sent_with(a_turn("t2", "CA-last")).late_timings == {}
    assert late.sent_with(a_turn("t2", f"CA{MOST_CALLS - 1}")).late_timings == {"t1": {"first_sent": 1.0}}
