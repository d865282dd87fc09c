"""A gate that closes when turns wait too long, and opens step by step."""

from web.call_gate import STEP_SECONDS, STEPS, CallGate

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


def closed() -> CallGate:
    gate = CallGate(AFTER)
    gate.note(1.0, -LASTS)
    gate.note(1.0, 0)
    assert gate.is_closed
    return gate


def test_it_opens_step_by_step_once_no_turn_waits_for_half_as_long() -> None:
    gate = closed()
    gate.note(0.5, 1)
    assert let_in(gate) == 0
    taken = []
    for step in range(STEPS):
        now = 2 + step * STEP_SECONDS
        gate.note(0.4, now)
        gate.note(0.4, now + STEP_SECONDS / 2)
        taken.append(let_in(gate))
    assert taken == [1, 2, 4, 8, 16, 32]
    assert gate.is_closed
    gate.note(0.0, 2 + STEPS * STEP_SECONDS)
    assert (gate.is_closed, let_in(gate)) == (False, 1000)


def test_it_takes_no_more_while_turns_wait_again_and_begins_anew_when_they_wait_too_long() -> None:
    gate = closed()
    for step in range(3):
        gate.note(0.0, step * STEP_SECONDS)
    gate.note(0.7, 3 * STEP_SECONDS)
    assert let_in(gate) == 0
    gate.note(0.0, 3 * STEP_SECONDS)
    assert let_in(gate) == 8, "the step that was its turn"
    gate.note(1.5, 4 * STEP_SECONDS)
    gate.note(0.0, 4 * STEP_SECONDS)
    assert let_in(gate) == 1
