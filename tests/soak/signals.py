"""Signals from outside into calls of the soak."""

import asyncio
from random import Random
from urllib.parse import quote

from soak.callers import COPIES_SHARE
from soak.journal import CallJournal
from soak.living import Told, own_number
from soak.provider import NoAnswer, Provider, Refused
from soak.script import words_in

SIGNAL_SHARE = 0.3
"""The share of the turns of a call during which one comes."""


async def send_signal(provider: Provider, journal: CallJournal, rng: Random) -> None:
    """Send the next signal, now and then twice at once; the answers must be the same."""
    name = f"s{len(journal.signals) + 1}"
    journal.signals[name] = "lost"
    await asyncio.sleep(rng.uniform(0, 1))
    body = {"signal_id": name, "name": name, "data": {"name": name}}
    path = f"/calls/{quote(journal.call_sid)}/signals"
    copies = 2 if rng.random() < COPIES_SHARE else 1
    try:
        answers = await asyncio.gather(
            *(provider.api("POST", path, Random(rng.random()), json_body=body) for _ in range(copies))
        )
    except Refused as refused:  # the call has not begun, or is over
        if any(f": {code} " in str(refused) for code in (404, 409, 410)):
            journal.signals[name] = "over"
        else:
            journal.complain(f"the signal {name} was refused: {refused}")
        return
    except NoAnswer as error:
        journal.complain(f"the signal {name} was not answered: {error}")
        return
    said = {(it["outcome"], it["reply"]["text"]) for it in (answer.response.json() for answer in answers)}
    outcome, text = said.pop() if len(said) == 1 else ("different", str(said))
    is_over = outcome in ("dropped", "interrupted")  # the call ended before its turn came, or while it ran
    journal.signals[name] = "over" if outcome == "dropped" else "taken"
    if not is_over and not _is_right(journal, name, text):
        journal.complain(f"the signal {name} was answered {outcome}: {text!r}")


def _is_right(journal: CallJournal, name: str, text: str) -> bool:
    if journal.channel == "relay":
        return {word.number for word in words_in(text)} <= {own_number("signal", name)}
    return text == Told("signal", name).sentence
