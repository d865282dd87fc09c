"""Calls that live on relays: what is said by itself is heard by itself, once, in the order of the state."""

import asyncio
from itertools import groupby, pairwise
from random import Random
from typing import Any

from soak.journal import CallJournal
from soak.living import OWN, own_number
from soak.living_callers import LivingSpeech
from soak.relay_audit import compare_places, compare_runs
from soak.relay_callers import RelayCaller, SpokenLog
from soak.script import number_in
from soak.signals import SIGNAL_SHARE, send_signal
from soak.verdict import Verdict

from orchestrator.provider_simulator import PhoneLine

Record = dict[str, Any]


class LivingRelaySpeech(LivingSpeech):
    """Asks for what keeps the caller on the line."""

    asks = ("timer", "activity", "text", "all")


class LivingRelayCaller(RelayCaller):
    """Makes calls on relays, as `RelayCaller`."""

    async def say(self, journal: CallJournal, line: PhoneLine, ear: SpokenLog, number: int, more: str = "") -> None:
        journal.lives = True
        if self.rng.random() < SIGNAL_SHARE:
            self._own(asyncio.create_task(send_signal(self.provider, journal, Random(self.rng.random()))))
        await super().say(journal, line, ear, number, more)


def compare_own_words(journal: CallJournal, turns: list[Record], verdict: Verdict) -> None:
    """Compare what was heard of own turns with their records."""
    heard_at: list[tuple[float, str]] = []
    for place, record in enumerate(turns):
        if record["outcome"] == "dropped" or record["kind"] not in (*OWN, "started", "speech"):
            continue
        is_own = record["kind"] in OWN
        number = own_number(record["kind"], record["text"]) if is_own else number_in(record["text"])
        words = [word for word in journal.words if word.word.number == number]
        if words:
            heard_at.append((words[0].at, f"{record['kind']} {record['text']}"))
        if not is_own:
            continue
        where = f"{journal.call_sid}: the {record['kind']} {record['text']}"
        if words:
            verdict.living["own turns heard on relays"] += 1
            compare_runs(where, record, words, verdict)
            compare_places(where, record, words, verdict)
        elif _must_be_heard(journal, record, turns[place + 1 :]):
            verdict.lost.append(f"{where} was not heard, and is recorded as {record}; sent {journal.exchanges}")
    for (earlier, first), (later, second) in pairwise(heard_at):
        if later < earlier:
            story = f"heard {_told(journal)}, recorded {_places(turns)}"
            verdict.reordered.append(f"{journal.call_sid}: {second} was heard before {first}; {story}")


def _told(journal: CallJournal) -> list[tuple[str, int, str, float, float]]:
    """Return what was heard, part by part: which number, in which session, of which run, from when to when."""
    parts: list[tuple[str, int, str, float, float]] = []
    by_part = groupby(journal.words, key=lambda word: (word.word.number, word.session, word.word.run))
    for (number, session, run), group in by_part:
        words = list(group)
        span = f"{number}: {words[0].word.place}-{words[-1].word.place}"
        parts.append((span, session, run, round(words[0].at, 2), round(words[-1].at, 2)))
    return parts


def _places(turns: list[Record]) -> list[tuple[str, str, str, str, str, str]]:
    """Return the turns in the order of the state."""
    fields = ("turn_id", "kind", "text", "outcome", "received_at", "committed_at")
    return [tuple(str(record[name]) for name in fields) for record in turns]  # type: ignore[misc]


def _must_be_heard(journal: CallJournal, record: Record, after: list[Record]) -> bool:
    """Whether a later turn was answered to its end, so that what belongs before it has been spoken."""
    if record["outcome"] != "replied" or record["heard"] is not None:
        return False
    answered = {exchange.text for exchange in journal.exchanges if exchange.heard == "reply"}
    return any(later["kind"] == "speech" and later["text"] in answered for later in after)
