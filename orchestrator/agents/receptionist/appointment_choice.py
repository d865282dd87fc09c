"""The rule of the phase in which the caller chooses an appointment: days, times and what was offered."""

import re
from dataclasses import replace
from datetime import datetime

from orchestrator.agents.appointments import calendar
from orchestrator.agents.appointments.wish import Wish
from orchestrator.agents.receptionist import intents, phrases
from orchestrator.agents.receptionist.dialogue import Dialogue
from orchestrator.agents.receptionist.mentions import LAST, Mention
from orchestrator.agents.receptionist.slot_filling import CallerInput, mentioned
from orchestrator.agents.receptionist.wishes import wish_of

_EARLIER = re.compile(r"\b(earlier|sooner|before)\b")
_LATER = re.compile(r"\b(later|after|next|other|another|different|else|more)\b")
_REFUSAL = re.compile(
    r"\b((don'?t|doesn'?t|didn'?t|won'?t|can'?t|not) (like|want|suit|work|do|make|come)|(is|are) (all )?(bad"
    r"|no good))\b"
)
"""Refuses everything that was offered: "I don't like any of them", "both are bad"."""
_OPTION = re.compile(r"\b(one|option|choice|number|offer|slot|appointment|time)\b")


def in_appointment(dialogue: Dialogue, caller: CallerInput) -> None:
    """Take the answer to "Which suits you?"."""
    today, offered, avoided = dialogue.now.date(), dialogue.form.offered, dialogue.form.avoided
    if caller.keys:
        _take_offer(dialogue, int(caller.keys) - 1 if caller.keys in ("1", "2", "3") else len(offered))
    elif intents.asks_what_was(caller.said) and not wish_of(mentioned(dialogue, caller)):
        dialogue.is_repeating = True
        dialogue.ask_again(phrases.REPEATING)
    elif take_time(dialogue, caller, agrees=False):
        pass
    elif intents.means_any(caller.said) and offered:
        dialogue.fill_in("appointment", offered[0])
    elif _EARLIER.search(caller.said):
        earlier = calendar.before(offered, today, avoided)
        others = earlier or offered or calendar.first_offers(today, avoided=avoided)
        dialogue.offer(others, *[phrases.NONE_EARLIER][: not earlier])
    elif _LATER.search(caller.said) or _REFUSAL.search(caller.said) or intents.is_no(caller.said):
        dialogue.offer(calendar.after(offered, today, avoided))
    elif intents.is_yes(caller.said) and len(offered) == 1:
        dialogue.fill_in("appointment", offered[0])
    elif intents.is_yes(caller.said):
        dialogue.ask("appointment", phrases.WHICH_OFFER)
    else:
        dialogue.miss()


def take_time(dialogue: Dialogue, caller: CallerInput, *, agrees: bool) -> bool:
    """Take or offer the time that the caller named. Return True if they named one.

    With `agrees`, a time that is in the form already stays there.
    """
    mentions = mentioned(dialogue, caller)
    wish, form = wish_of(mentions), dialogue.form
    chosen, refused = _offers_among(mentions, refused=False), _offers_among(mentions, refused=True)
    offered = form.offered
    if len(set(chosen)) > 1 and max(chosen) < len(offered) and not wish:
        dialogue.offer(sorted({offered[n] for n in chosen}))  # "the first or the second"
    elif chosen and -1 <= chosen[-1] < len(offered) and not wish.names_day:
        _take_chosen(dialogue, caller, wish, chosen[-1])
    elif wish:
        if form.appointment is not None and wish.is_positive and wish.fits(form.appointment):
            return _keep(dialogue, agrees)
        dialogue.offer_wished(_of_the_day(wish, form.appointment))
    elif refused and offered:
        left = [slot for slot in offered if slot not in [offered[n] for n in refused if n < len(offered)]]
        dialogue.offer(left or calendar.after(offered, dialogue.now.date(), form.avoided), phrases.NO_PROBLEM)
    else:
        return False
    return True


def _keep(dialogue: Dialogue, agrees: bool) -> bool:
    """Handle a time that is in the form already. Return True if that settles the turn."""
    if agrees:
        return False
    dialogue.ask_next()
    return True


def _of_the_day(wish: Wish, appointment: datetime | None) -> Wish:
    """Return `wish`, for the day of `appointment` if it names another time and no day: "yes, but at eleven"."""
    is_of_day = appointment is not None and wish.is_positive and not wish.names_day
    return replace(wish, day=appointment.date()) if is_of_day and appointment is not None else wish


def _offers_among(mentions: list[Mention], *, refused: bool) -> list[int]:
    return [m.named for m in mentions if isinstance(m.named, int) and m.is_refused is refused]


def _take_chosen(dialogue: Dialogue, caller: CallerInput, wish: Wish, chosen: int) -> None:
    offered = dialogue.form.offered
    slot = offered[chosen if chosen != LAST else len(offered) - 1]
    dated = [other for other in offered if other.day == chosen + 1 and other != slot]
    if wish:
        dialogue.offer_wished(replace(wish, day=slot.date()))
    elif dated and not _OPTION.search(caller.said):
        dialogue.offer(sorted([slot, dated[0]]), phrases.WHICH_DAY)  # "the third" may be the day of the month
    else:
        dialogue.fill_in("appointment", slot)


def _take_offer(dialogue: Dialogue, number: int) -> None:
    if number < len(dialogue.form.offered):
        dialogue.fill_in("appointment", dialogue.form.offered[number])
    else:
        dialogue.miss()
