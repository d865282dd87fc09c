"""Whatever is said in whatever order, the receptionist has an answer and its memory is JSON."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.agents.agent_run import own_copy
from orchestrator.agents.receptionist import Receptionist
from orchestrator.agents.receptionist.calendar_look_up import is_offer_unheard
from orchestrator.agents.receptionist.dialogue import GATHERS
from orchestrator.agents.receptionist.digits import grouped, spoken_digits
from orchestrator.agents.receptionist.silences import SILENCE
from orchestrator.agents.receptionist.wishes import wish_in
from orchestrator.conversation.actions import LEAVING_ACTIONS, Gather
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import Channel, ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_KINDS, Turn
from orchestrator.schedule.limits import check_schedule
from orchestrator.turns.outcome import committed_state

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
json_values = (
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
own = st.builds(
    dict,
    kind=st.sampled_from(OWN_KINDS),
    text=st.sampled_from(("calendar", "silence", "doctor_late", "no-answer", "completed")) | st.text(max_size=5),
    data=st.dictionaries(st.sampled_from(("result", "error", "minutes", "url", "seconds", "to")), json_values),
)
turns = st.lists(speech | keys | other | own, max_size=12)
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
    channel=st.sampled_from(get_args(Channel)),
)
def test_every_phase_has_an_answer_to_everything(
    turns: list[dict[str, object]],
    now: datetime,
    phase: str,
    slots: dict[str, object],
    transfer_to: str | None,
    channel: Channel,
) -> None:
    state = ConversationState(
        call_sid="CA1", phase=phase, slots=slots, from_number="+15550001111", channel=channel
    )  # fmt: skip

    async def converse() -> None:
        nonlocal state
        for number, fields in enumerate(turns):
            agent = Receptionist(
                transfer_to, clock=lambda number=number: now + timedelta(minutes=number), can_text=True  # type: ignore[misc]
            )  # fmt: skip
            turn = Turn(turn_id=str(number), call_sid="CA1", **fields)  # type: ignore[arg-type]
            after = own_copy(state)
            parts = [part async for part in agent.reply(turn, after)]
            if not turn.is_own:
                is_waited_for = SILENCE in state.timers or is_offer_unheard(state, str(state.slots.get("question", "")))
                assert is_waited_for or any(isinstance(part, str) and part.strip() for part in parts), (turn, state)
                assert isinstance(parts[-1], (Gather, *LEAVING_ACTIONS))
            assert json.loads(json.dumps(after.slots)) == after.slots
            reply = Reply(
                text="".join(part for part in parts if isinstance(part, str)),
                actions=[part for part in parts if not isinstance(part, str)],
            )
            record = TurnRecord.of(turn, "replied", reply)
            check_schedule(state, turn.turn_id, reply.actions)
            state = committed_state(state, after, record)
            state = ConversationState.model_validate_json(state.model_dump_json())

    asyncio.run(converse())


@given(st.text("0123456789", min_size=1, max_size=15))
def test_a_number_read_aloud_is_understood_again(number: str) -> None:
    assert spoken_digits(grouped(number)) == number


@given(st.text(), clocks)
def test_no_words_break_the_understanding_of_digits_and_times(text: str, now: datetime) -> None:
    assert spoken_digits(text) == "" or spoken_digits(text).isdecimal()
    wish_in(text, now.date())
