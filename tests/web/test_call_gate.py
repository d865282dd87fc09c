"""A gate that closes when turns wait too long, and opens step by step."""

from collections.abc import Iterator

from web.call_gate import BACK_SHARE, STEP_SECONDS, CallGate

AFTER = 1.0
LASTS = 0.25
"""For so long it must last."""


def let_in(gate: CallGate) -> int:
    """How many of many calls that begin at once are taken."""
    return sum(gate.lets_in() for _ in range(1000))


def test_it_is_open_until_a_turn_waits_too_long() -> None:
    gate = CallGate(AFTER)
    gate.note(0.99, 0)
    assert let_in(gate) == 1000
    gate.note(1.0, 1)
    gate.note(1.2, 1 + LASTS)
    assert (gate.is_closed, let_in(gate)) == (True, 0)


def test_turns_that_waited_while_redis_was_away_and_are_claimed_at_once_do_not_close_it() -> None:
    gate = CallGate(AFTER)
    for wait, now in ((30.0, 0.0), (0.0, 0.1), (30.0, 0.2), (30.2, 0.2 + LASTS - 0.01)):
        gate.note(wait, now)
        assert not gate.is_closed
    gate.note(30.3, 0.2 + LASTS)
    assert gate.is_closed


def closed(began: int = 0) -> CallGate:
    """A gate that closed when `began` calls had begun in the step."""
    gate = CallGate(AFTER)
    gate.note(0.0, -1)
    for _ in range(began):
        assert gate.lets_in()
    gate.note(1.0, -LASTS)
    gate.note(1.0, 0)
    assert gate.is_closed
    return gate


def steps(gate: CallGate, first: int, number: int) -> Iterator[int]:
    """How many of many calls are taken in each of so many steps in which no turn waits for long."""
    for step in range(first, first + number):
        gate.note(0.4, step * STEP_SECONDS)
        gate.note(0.4, (step + 0.5) * STEP_SECONDS)
        yield let_in(gate)


def test_it_opens_step_by_step_once_no_turn_waits_for_half_as_long() -> None:
    gate = closed(began=20)
    gate.note(0.5, 1)
    assert let_in(gate) == 0
    assert list(steps(gate, 1, 5)) == [1, 2, 4, 8, 20 * BACK_SHARE]
    after = list(steps(gate, 6, 30))
    assert after == sorted(after)
    assert 20 <= after[-1] <= 60, "a little more in each step"


def test_it_is_open_once_fewer_calls_begin_than_it_would_let_in() -> None:
    gate = closed(began=20)
    list(steps(gate, 0, 3))
    gate.note(0.0, 3 * STEP_SECONDS)
    assert [gate.lets_in() for _ in range(7)] == [True] * 7, "one less than it would"
    gate.note(0.0, 4 * STEP_SECONDS)
    assert (gate.is_closed, let_in(gate)) == (False, 1000)


def test_it_takes_no_more_while_turns_wait_again() -> None:
    gate = closed(began=20)
    list(steps(gate, 0, 3))
    gate.note(0.7, 3 * STEP_SECONDS)
    assert let_in(gate) == 0
    gate.note(1.5, 3 * STEP_SECONDS)
    assert let_in(gate) == 0
    gate.note(0.0, 3 * STEP_SECONDS + 0.1)
    assert let_in(gate) == 8, "the step that was its turn: they waited only for a moment"


def test_it_lets_in_less_after_turns_waited_too_long_while_it_opened() -> None:
    gate = closed(began=40)
    assert list(steps(gate, 0, 5)) == [1, 2, 4, 8, 16]
    for later in (0.0, 1.0, 2.0):
        gate.note(1.5, 5 * STEP_SECONDS + later)
        assert let_in(gate) == 0
    assert list(steps(gate, 8, 6))[:4] == [1, 2, 4, 8]
    assert 16 * BACK_SHARE <= next(steps(gate, 14, 1)) < 16


def test_one_without_calls_is_idle_after_a_while() -> None:
    gate = CallGate(AFTER)
    assert let_in(gate) == 1000
    gate.note(0.0, 0)
    assert not gate.is_idle, "it knows what a step brought"
    for step in range(1, 14):
        gate.note(0.0, step * STEP_SECONDS)
    assert gate.is_idle
