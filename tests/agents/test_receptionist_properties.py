"""Whatever is said in whatever order, the receptionist has an answer and its memory is JSON."""

import asyncio
import json
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.agents.receptionist import Receptionist
from orchestrator.agents.receptionist.dialogue import GATHERS
from orchestrator.agents.receptionist.digits import grouped, spoken_digits
from orchestrator.agents.receptionist.wishes import wish_in
from orchestrator.conversation.actions import Gather, HangUp, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

SAID = """
    yes|no|Ann Lee|my name is Bob|555 123 4567|five five|double five oh one two three four|a check-up|pardon?|bye
    tomorrow at ten|Tuesday|the second one|none of those|earlier|later|morning|half past two|no, change that|thanks
    change the name|change the time to Friday|the number|a person please|cancel my appointment|leave a message
    are you a robot|this number|hello|I'd like an appointment|nothing|wrong|the 31st|go back|not the number
"""
PHRASES = [phrase.strip() for line in SAID.strip().splitlines() for phrase in line.split("|")]
words = st.lists(st.sampled_from(PHRASES), min_size=1, max_size=3).map(" ".join) | st.text(max_size=40)
speech = st.builds(dict, kind=st.just("speech"), text=words, confidence=st.none() | st.floats(0, 1))
keys = st.text("0123456789*#", max_size=20).map(lambda digits: {"kind": "keys", "text": digits, "digits": digits})
other = st.sampled_from(("started", "silence", "interrupted")).map(lambda kind: {"kind": kind})
turns = st.lists(speech | keys | other, max_size=12)
clocks = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1))
slots = st.dictionaries(
    st.sampled_from(("name", "number", "offered", "appointment", "misses", "silences", "question", "theirs")),
    st.none() | st.text(max_size=5) | st.integers(0, 9) | st.lists(st.integers(), max_size=2),
    max_size=4,
)


@settings(max_examples=150)
@given(
    turns=turns,
    now=clocks,
    phase=st.sampled_from(["", "done", "unheard of", *GATHERS]),
    slots=slots,
    transfer_to=st.sampled_from([None, "+15557654321"]),
)
def test_every_phase_has_an_answer_to_everything(
    turns: list[dict[str, object]], now: datetime, phase: str, slots: dict[str, object], transfer_to: str | None
) -> None:
    state = ConversationState(call_sid="CA1", phase=phase, slots=slots, from_number="+15550001111")

    async def converse() -> None:
        nonlocal state
        for number, fields in enumerate(turns):
            agent = Receptionist(transfer_to, clock=lambda number=number: now + timedelta(minutes=number))  # type: ignore[misc]
            turn = Turn(turn_id=str(number), call_sid="CA1", **fields)  # type: ignore[arg-type]
            parts = [part async for part in agent.reply(turn, state)]
            assert any(isinstance(part, str) and part.strip() for part in parts), (turn, state.phase)
            assert isinstance(parts[-1], Gather | HangUp | Transfer)
            assert json.loads(json.dumps(state.slots)) == state.slots
            state = ConversationState.model_validate_json(state.model_dump_json())

    asyncio.run(converse())


@given(st.text("0123456789", min_size=1, max_size=15))
def test_a_number_read_aloud_is_understood_again(number: str) -> None:
    assert spoken_digits(grouped(number)) == number


@given(st.text(), clocks)
def test_no_words_break_the_understanding_of_digits_and_times(text: str, now: datetime) -> None:
    assert spoken_digits(text) == "" or spoken_digits(text).isdecimal()
    wish_in(text, now.date())
