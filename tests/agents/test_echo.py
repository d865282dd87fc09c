"""What `echo` says."""

import pytest

from orchestrator.agents.echo import echo
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn, TurnKind


async def told(state: ConversationState, kind: TurnKind, text: str = "") -> tuple[str, bool]:
    """What echo says to a turn, and whether it hangs up."""
    turn = Turn(turn_id="1", call_sid="CA1", kind=kind, text=text, digits=text if kind == "keys" else "")
    parts = [part async for part in echo(turn, state)]
    return "".join(p for p in parts if isinstance(p, str)), any(isinstance(p, HangUp) for p in parts)


@pytest.fixture
def state() -> ConversationState:
    return ConversationState(call_sid="CA1")


async def test_it_greets_and_repeats_words_and_keys(state: ConversationState) -> None:
    assert await told(state, "started") == ("Hello! Say something, and I will repeat it.", False)
    assert await told(state, "speech", "I like trains.") == ("You said: I like trains.", False)
    assert await told(state, "keys", "12#") == ("You pressed 1, 2, #.", False)
    assert await told(state, "interrupted") == ("Go on, I am listening.", False)


async def test_it_hangs_up_on_bye(state: ConversationState) -> None:
    assert await told(state, "speech", "Bye!") == ("Goodbye!", True)


async def test_the_third_silence_in_a_row_ends_the_call(state: ConversationState) -> None:
    first, second = await told(state, "silence"), await told(state, "silence")
    assert first != second
    await told(state, "speech", "here I am")
    assert [(await told(state, "silence"))[1] for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("signal", "paid", "There is a signal: paid."),
        ("timer", "late", "There is a timer: late."),
        ("activity", "find", "find has ended."),
        ("transferred", "no-answer", "You are back. The transfer ended with no-answer."),
        ("recorded", "", "I have a message of 0 seconds."),
    ],
)
async def test_it_tells_what_no_words_began(state: ConversationState, kind: TurnKind, text: str, said: str) -> None:
    state.slots["silences"] = 2
    assert await told(state, kind, text) == (said, False)
    assert state.slots["silences"] == 2


async def test_a_call_that_ended_gets_no_words(state: ConversationState) -> None:
    assert await told(state, "ended", "completed") == ("", False)
