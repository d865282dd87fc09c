"""The audit of calls with several agents: who said what, who has the call, whose it is, and how many there were."""

import re
from itertools import pairwise
from typing import Any

from soak.desks import DESKS, SPEAKERS
from soak.journal import CallJournal
from soak.script import words_in
from soak.verdict import Verdict

Record = dict[str, Any]

_SAYS = re.compile(r"\b(" + "|".join(SPEAKERS) + r"): ")
_NAMES = {letter: name for name, letter in SPEAKERS.items()}


def compare_speakers(journal: CallJournal, state: Record, verdict: Verdict) -> None:
    """Follow the call from agent to agent: each piece of a reply is said by whoever had the call by then."""
    desk = journal.desk
    if desk is None:
        if state.get("agent") or state.get("tenant"):
            verdict.wrong.append(f"{journal.call_sid} has the agent {state.get('agent')!r}, and nobody's number")
        return
    verdict.desks[f"calls of {desk.tenant}"] += 1
    if state.get("tenant") != desk.tenant:
        verdict.wrong.append(f"{journal.call_sid} is the tenant {state.get('tenant')!r}'s, in place of {desk.tenant}")
    agents = set(desk.first)
    taken: list[str] = []
    for record in state["turns"]:
        agents = _follow(f"{journal.call_sid}: {record['turn_id']}", record, agents, taken, verdict)
    if state.get("agent") not in agents:
        verdict.wrong.append(f"{journal.call_sid} is left to {state.get('agent')!r}, in place of {sorted(agents)}")
    _compare_taken(journal, state, taken, verdict)


def _follow(where: str, record: Record, agents: set[str], taken: list[str], verdict: Verdict) -> set[str]:
    """Return who may have the call after this turn; add to `taken` what was surely taken over in it."""
    hand_offs = [action for action in record["reply"]["actions"] if action["type"] == "hand_off"]
    pieces = _pieces(record["reply"]["text"], [action["at"] for action in hand_offs])
    targets = [action["agent"] for action in hand_offs]
    said = [_speakers(piece) for piece in pieces]
    may_speak = [agents, *({target} for target in targets)]
    for place, (speakers, allowed) in enumerate(zip(said, may_speak, strict=True)):
        if not speakers <= allowed:
            what = f"{speakers} spoke as number {place + 1}, in place of {allowed}"
            verdict.wrong.append(f"{where}: {what}: {record['reply']}")
    if record["outcome"] == "replied":
        verdict.desks["hand-offs"] += len(targets)
        taken += [f"{target}: {record['text']}" for target in targets]
        return {targets[-1]} if targets else said[0] or agents
    verdict.desks["hand-offs in turns that were cut off"] += len(targets)
    return agents | set(targets)


def _pieces(text: str, cuts: list[int]) -> list[str]:
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


def _speakers(piece: str) -> set[str]:
    """Who speaks in this piece of a reply."""
    return set(_SAYS.findall(piece)) | {_NAMES[word.speaker] for word in words_in(piece) if word.speaker}


def _compare_taken(journal: CallJournal, state: Record, must: list[str], verdict: Verdict) -> None:
    """The effect of the second agents: one entry for each hand-off of a turn that was replied."""
    there: list[str] = state["slots"].get("taken", [])
    may = {record["text"] for record in state["turns"] if record["outcome"] != "replied"}
    effects = [entry for entry in there if entry.partition(": ")[2] not in may]
    if effects != must:
        kind = verdict.lost if len(effects) < len(must) else verdict.doubled
        kind.append(f"{journal.call_sid}: taken over {there}, in place of {must}")


def compare_limits(journals: list[CallJournal], verdict: Verdict) -> None:
    """There were never more calls to a number at once than it takes. A call was surely there from its greeting to the
    last words of its caller."""
    for desk in DESKS:
        if desk.max_calls is None:
            continue
        calls = [journal for journal in journals if journal.desk is desk]
        if calls:
            verdict.desks[f"calls of {desk.tenant} refused"] += sum(journal.was_refused for journal in calls)
        spans = [span for journal in calls if (span := _span(journal)) is not None]
        for began, _, call_sid in spans:
            at_once = [other for start, end, other in spans if start <= began < end]
            if len(at_once) > desk.max_calls:
                verdict.wrong.append(f"{desk.number} had {len(at_once)} calls at once, as {call_sid} began: {at_once}")


def _span(journal: CallJournal) -> tuple[float, float, str] | None:
    first = next((exchange.answered_at for exchange in journal.exchanges if exchange.answered_at is not None), None)
    if first is None or journal.was_refused:
        return None
    return first, journal.exchanges[-1].sent_at, journal.call_sid
