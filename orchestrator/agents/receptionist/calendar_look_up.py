"""While the calendar is looked up: what the caller says meanwhile, and what comes of the look-up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.agents.receptionist import intents, phrases
from orchestrator.agents.receptionist.appointment_choice import take_time
from orchestrator.agents.receptionist.dialogue import CALENDAR, Dialogue
from orchestrator.agents.receptionist.slot_filling import CallerInput, fill_slots, mentioned, note_wish
from orchestrator.agents.receptionist.wishes import wish_of
from orchestrator.conversation.actions import CancelActivity
from orchestrator.conversation.state import ConversationState

MOST_WAITS = 6
"""After so many turns without a result the look-up is given up."""


def in_looking(dialogue: Dialogue, caller: CallerInput) -> None:
    """Take what the caller says while the look-up runs: an answer, a wish, or small talk."""
    dialogue.is_repeating = True  # to wait is no lack of progress
    if note_wish(dialogue, caller):
        dialogue.say(phrases.NOTED_WISH)
    elif not (_note_patient(dialogue, caller) or fill_slots(dialogue, caller)):
        dialogue.say(phrases.STILL_LOOKING[dialogue.form.waits % len(phrases.STILL_LOOKING)])
    keep_looking(dialogue)


def keep_looking(dialogue: Dialogue) -> None:
    """Wait for the look-up on; offer if it has ended unnoticed, and give up if it takes too long."""
    dialogue.form.waits += 1
    if dialogue.form.has_looked_up:
        dialogue.ask_next()
    elif dialogue.form.waits > MOST_WAITS:
        dialogue.schedule.append(CancelActivity(CALENDAR))
        dialogue.take_message(phrases.NO_CALENDAR)
    elif CALENDAR not in dialogue.running:  # the turn that began it did not come to its end
        waits = dialogue.form.waits
        dialogue.start_look_up()
        dialogue.form.waits = waits
        dialogue.listen()
    else:
        dialogue.listen()


def after_look_up(dialogue: Dialogue, data: Mapping[str, Any]) -> None:
    """Offer what the look-up has found. Whoever talks of something else, or with somebody else, is offered it later."""
    form, found = dialogue.form, _times(data.get("result"))
    is_waited_for = dialogue.phase == "looking" and not form.is_away
    if found:
        form.has_looked_up = True
        form.offered = form.offered or found
        if is_waited_for:
            dialogue.ask_next(phrases.THANKS_FOR_WAITING)
    elif is_waited_for:
        dialogue.take_message(phrases.NO_CALENDAR)


def in_unheard_offer(dialogue: Dialogue, caller: CallerInput) -> None:
    """Take what the caller said before they heard the offers: it answers what was asked before."""
    dialogue.is_repeating = True
    if wish_of(mentioned(dialogue, caller)):
        take_time(dialogue, caller, agrees=False)
        return
    _note_patient(dialogue, caller)
    if dialogue.channel == "relay":  # they have cut it off
        dialogue.ask_again()
    else:  # it comes before this reply
        dialogue.listen()


def is_offer_unheard(state: ConversationState, offer: str) -> bool:
    """True if the caller has spoken before they could hear the `offer` that the look-up has brought.

    Over webhooks that is what no webhook has fetched, on a relay what they have cut off in its first half.
    """
    for record in reversed(state.turns):
        if record.kind == "activity" and record.text == CALENDAR:
            if state.channel == "relay":
                return record.outcome == "interrupted" and len(record.heard_text) < len(offer) / 2
            return state.channel == "gather" and bool(record.reply.text)
        if record.kind not in ("signal", "timer", "interrupted"):
            return False
    return False


def _note_patient(dialogue: Dialogue, caller: CallerInput) -> bool:
    """Note whether the caller is a patient. Return True if they said that."""
    form = dialogue.form
    is_yes, is_no = caller.keys == "1" or intents.is_yes(caller.said), caller.keys == "2" or intents.is_no(caller.said)
    if form.is_patient is not None or not (is_yes or is_no or intents.is_new(caller.said)):
        return False
    form.is_patient = is_yes and not intents.is_new(caller.said)
    if not dialogue.is_offer_unheard or dialogue.channel == "relay":
        dialogue.say(phrases.THANKS if form.is_patient else phrases.NEW_PATIENT)
    return True


def _times(result: Any) -> list[datetime]:
    try:
        return [datetime.fromisoformat(slot) for slot in result]
    except (TypeError, ValueError):  # None, or what no calendar of ours returns
        return []
