"""`Receptionist`: what each kind of turn means to it."""

from collections.abc import AsyncIterator

from orchestrator.agents.appointments.office_clock import OfficeClock, office_clock
from orchestrator.agents.protocol import Part
from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist.booking_form import BookingForm
from orchestrator.agents.receptionist.calendar_look_up import is_offer_unheard, keep_looking
from orchestrator.agents.receptionist.dialogue import GATHERS, Dialogue
from orchestrator.agents.receptionist.own_turns import answer_own_turn
from orchestrator.agents.receptionist.routing import route_input
from orchestrator.agents.receptionist.silences import is_given_time, watch_silence
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

UNSURE_BELOW = 0.35
"""Below this confidence the caller is asked again. Exactly 0 means that the recogniser gave none."""


class Receptionist:
    """Books appointments. Keeps nothing of a call between turns: the form and the phase are in the state.

    `transfer_to` is where callers who ask for a person are connected; without it the receptionist takes a message.
    `clock` returns the office's local time. `emergency_number` is what callers in danger are told to call. With
    `can_text`, a booking is confirmed by a text message.
    """

    def __init__(
        self,
        transfer_to: str | None = None,
        clock: OfficeClock = office_clock,
        emergency_number: str = "911",
        *,
        can_text: bool = False,
    ) -> None:
        self._transfer_to = transfer_to
        self._clock = clock
        self._emergency_number = emergency_number
        self._can_text = can_text

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        """Answer one turn, a sentence at a time."""
        if turn.kind == "ended":
            return
        form = BookingForm.read(state.slots)
        dialogue = Dialogue(
            form, state.phase, self._clock(), self._transfer_to, state.from_number, self._emergency_number,
            state.channel, self._can_text, _running(turn, state), is_offer_unheard(state, form.question),
        )  # fmt: skip
        if turn.is_own:
            answer_own_turn(dialogue, turn)
        else:
            form.is_away = False
            form.silences = form.silences if turn.kind == "silence" else 0
            _answer(dialogue, turn)
        watch_silence(dialogue, turn)
        state.phase, state.slots = dialogue.phase, form.written()
        for part in (*dialogue.schedule, *dialogue.parts):
            yield part


def _running(turn: Turn, state: ConversationState) -> set[str]:
    """Return the names of the timers and activities that run on after this turn."""
    running = {name: timer.turn_id for name, timer in state.timers.items()}
    running |= {name: activity.turn_id for name, activity in state.activities.items()}
    return {name for name, turn_id in running.items() if turn_id != turn.turn_id}


def _answer(dialogue: Dialogue, turn: Turn) -> None:
    is_heard = turn.kind in ("speech", "keys") and bool(turn.text.strip() or turn.digits)
    if turn.kind == "started":
        _greet(dialogue)
    elif dialogue.phase == "done":
        dialogue.say_goodbye(phrases.goodbye(dialogue.form))
    elif dialogue.phase not in GATHERS and not is_heard:
        _greet(dialogue)
    elif turn.kind == "interrupted":
        dialogue.say(phrases.GO_ON)
        dialogue.listen()
    elif not is_heard and is_given_time(dialogue):
        dialogue.is_thinking = True
        dialogue.listen()
    elif not is_heard and dialogue.phase == "looking":
        dialogue.say(phrases.STILL_LOOKING[dialogue.form.waits % len(phrases.STILL_LOOKING)])
        keep_looking(dialogue)
    elif not is_heard:
        dialogue.after_silence()
    elif turn.kind == "keys":
        route_input(dialogue, turn.text, keys=turn.digits or turn.text)
    elif turn.confidence is not None and 0 < turn.confidence < UNSURE_BELOW and dialogue.phase in GATHERS:
        dialogue.miss(phrases.UNCLEAR[min(dialogue.form.misses, len(phrases.UNCLEAR) - 1)])
    else:
        route_input(dialogue, turn.text)


def _greet(dialogue: Dialogue) -> None:
    """Begin the call, or, if it begins for the second time, repeat the last question."""
    if dialogue.phase in GATHERS:
        dialogue.ask_again(phrases.HELLO_AGAIN)
    else:
        dialogue.say(phrases.greeting(dialogue.now), phrases.ABILITIES)
        dialogue.ask("open", phrases.WHAT_CAN_I_DO)
