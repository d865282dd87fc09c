"""`Receptionist`: what each kind of turn means to it."""

from collections.abc import AsyncIterator

from orchestrator.agents.appointments.office_clock import OfficeClock, office_clock
from orchestrator.agents.protocol import Part
from orchestrator.agents.receptionist import phrases
from orchestrator.agents.receptionist.booking_form import BookingForm
from orchestrator.agents.receptionist.dialogue import GATHERS, Dialogue
from orchestrator.agents.receptionist.routing import route_input
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

UNSURE_BELOW = 0.35
"""Below this confidence the caller is asked again. Exactly 0 means that the recogniser gave none."""


class Receptionist:
    """Books appointments. Keeps nothing of a call between turns: the form and the phase are in the state.

    `transfer_to` is where callers who ask for a person are connected; without it the receptionist takes a message.
    `clock` returns the office's local time. `emergency_number` is what callers in danger are told to call.
    """

    def __init__(
        self, transfer_to: str | None = None, clock: OfficeClock = office_clock, emergency_number: str = "911"
    ) -> None:
        self._transfer_to = transfer_to
        self._clock = clock
        self._emergency_number = emergency_number

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        """Answer one turn, a sentence at a time."""
        if turn.kind == "ended":
            return
        form = BookingForm.read(state.slots)
        now, number = self._clock(), self._emergency_number
        dialogue = Dialogue(form, state.phase, now, self._transfer_to, state.from_number, number)
        if turn.kind != "silence":
            form.silences = 0
        _answer(dialogue, turn)
        state.phase, state.slots = dialogue.phase, form.written()
        for part in dialogue.parts:
            yield part


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
