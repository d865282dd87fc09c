"""The audit of calls that live: what was asked for has come, once, in time, and was heard in the order of the state."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from soak.journal import CallJournal
from soak.living import OWN, told_in
from soak.living_relay import compare_own_words
from soak.verdict import Verdict

Record = dict[str, Any]
LATEST_SECONDS = 3.0
"""So much later than its time, and than the end of what befell Redis meanwhile, a timer may be in its call's inbox."""
LONGEST_DELAY_SECONDS = 15.0
"""So much longer than it works an activity may take: its workers may be lost, each for the time of a lease."""


@dataclass
class Lateness:
    """How late timers were, in seconds: their turns, in their inboxes."""

    seconds: list[float] = field(default_factory=list)
    excused: list[float] = field(default_factory=list)
    """Without the time in which Redis could not be reached."""


@dataclass(frozen=True, slots=True)
class Outage:
    """From when until when Redis could not be reached, or its network was troubled: Unix seconds."""

    began: float
    ended: float


def audit_living(
    journals: Sequence[CallJournal], verdict: Verdict, outages: Sequence[Outage], effects: Sequence[Sequence[str]]
) -> Lateness:
    """Look at every call that lives. `effects` are the lines of the activities: call, number, key."""
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for call_sid, number, key in effects:
        keys[call_sid, number].add(key)
    lateness = Lateness()
    for journal in journals:
        state = verdict.states.get(journal.call_sid)
        if not journal.lives or state is None:
            continue
        verdict.living["calls that live"] += 1
        turns = state["turns"]
        _compare_own(journal, state, verdict)
        _compare_timers(journal, state, outages, lateness, verdict)
        _compare_activities(journal, state, outages, keys, verdict)
        if journal.channel == "relay":
            compare_own_words(journal, turns, verdict)
        else:
            _compare_heard(journal, turns, verdict)
        _compare_signals(journal, turns, verdict)
    verdict.living["effects of activities"] += sum(map(len, keys.values()))
    verdict.living["runs of activities"] += len(effects)
    return lateness


def _compare_own(journal: CallJournal, state: Record, verdict: Verdict) -> None:
    """Each own turn is in the state once, and the agent has seen it once, in that order."""
    own = [record for record in state["turns"] if _is_own(record) and record["outcome"] != "dropped"]
    verdict.living.update(f"own turns: {record['kind']}" for record in own)
    answered = [_named(record) for record in own if record["outcome"] == "replied"]
    may = {_named(record) for record in own} - set(answered)  # cut off by the end of the call
    seen = [name for name in state["slots"].get("own", []) if name not in may]
    if seen != answered:
        extra, missing = Counter(seen) - Counter(answered), Counter(answered) - Counter(seen)
        kind = verdict.doubled if extra else verdict.lost if missing else verdict.reordered
        kind.append(f"{journal.call_sid}: the agent saw {seen} by itself, and replied to {answered}")


def _named(record: Record) -> str:
    return f"{record['kind']} {record['text']}"


def _is_own(record: Record) -> bool:
    return record["kind"] in (*OWN, "transferred", "recorded")


def _asked(turns: list[Record], kind: str) -> list[tuple[int, Record, Record]]:
    """Where in the state something of a kind was asked for, by which record and action."""
    return [
        (place, record, action)
        for place, record in enumerate(turns)
        for action in record["reply"]["actions"]
        if action["type"] == kind
    ]


def _compare_timers(
    journal: CallJournal, state: Record, outages: Sequence[Outage], lateness: Lateness, verdict: Verdict
) -> None:
    turns = state["turns"]
    came = [(place, it) for place, it in enumerate(turns) if it["kind"] == "timer" and it["outcome"] != "dropped"]
    counts = Counter(record["text"] for _, record in came)
    verdict.doubled += [f"{journal.call_sid}: the timer {n} went off {c} times" for n, c in counts.items() if c > 1]
    for asked_at, asked, action in _asked(turns, "set_timer"):
        due = _seconds(asked["committed_at"]) + action["seconds"]
        cancelled_at = _cancelled_at(turns, "cancel_timer", action["name"])
        found = next(((place, it) for place, it in came if it["text"] == action["name"]), None)
        where = f"{journal.call_sid}: the timer {action['name']}"
        if found is not None:
            place, record = found
            if place <= asked_at or (cancelled_at is not None and place > cancelled_at):
                verdict.wrong.append(f"{where} went off although it was cancelled, or before it was set: {record}")
            _note_lateness(where, due, record, outages, lateness, verdict)
        elif cancelled_at is not None:
            verdict.living["timers cancelled"] += 1
        elif (dropped := _dropped(turns, "timer", action["name"])) is not None:
            verdict.living["timers that the end of their call took"] += 1
            _note_lateness(where, due, dropped, outages, lateness, verdict)
        elif (end := _ended_at(state)) is not None and end < due + LATEST_SECONDS + _outage(outages, due, end):
            verdict.living["timers that the end of their call took"] += 1
        else:
            verdict.lost.append(f"{where} was due at {due:.1f} and never went off; the call ended {state['ended']}")


def _note_lateness(
    where: str, due: float, record: Record, outages: Sequence[Outage], lateness: Lateness, verdict: Verdict
) -> None:
    there = _seconds(record["received_at"]) + record.get("timings", {}).get("submitted", 0.0) / 1000
    late = there - due
    excused = late - _outage(outages, due, there)
    lateness.seconds.append(late)
    lateness.excused.append(excused)
    if late < -0.1:
        verdict.wrong.append(f"{where} went off {-late:.2f} s too early")
    if excused > LATEST_SECONDS:
        verdict.late.append(f"{where} was {late:.1f} s late, {excused:.1f} s without what befell Redis: {record}")


def _latest_end(asked: Record, action: Record, outages: Sequence[Outage]) -> float:
    """Until when an activity may run, whatever befalls its workers."""
    began = _seconds(asked["committed_at"])
    latest = began + action["args"]["seconds"] + LONGEST_DELAY_SECONDS
    return latest + _outage(outages, began, latest)


def _compare_activities(
    journal: CallJournal,
    state: Record,
    outages: Sequence[Outage],
    keys: dict[tuple[str, str], set[str]],
    verdict: Verdict,
) -> None:
    turns = state["turns"]
    came = [(place, it) for place, it in enumerate(turns) if it["kind"] == "activity" and it["outcome"] != "dropped"]
    counts = Counter(record["text"] for _, record in came)
    verdict.doubled += [f"{journal.call_sid}: the activity {n} ended {c} times" for n, c in counts.items() if c > 1]
    for asked_at, asked, action in _asked(turns, "start_activity"):
        name, where = action["name"], f"{journal.call_sid}: the activity {action['name']}"
        effects = keys.get((journal.call_sid, name[1:]), set())
        if len(effects) > 1:
            verdict.doubled.append(f"{where} had {len(effects)} effects: {sorted(effects)}")
        cancelled_at = _cancelled_at(turns, "cancel_activity", name)
        found = next(((place, it) for place, it in came if it["text"] == name), None)
        if found is not None:
            place, record = found
            if place <= asked_at or (cancelled_at is not None and place > cancelled_at):
                verdict.wrong.append(f"{where} ended although it was cancelled, or before it was begun: {record}")
            if (error := record["data"].get("error")) is not None:
                verdict.living[f"activities that failed: {error}"] += 1
            elif not effects:
                verdict.wrong.append(f"{where} has a result and had no effect")
        elif cancelled_at is not None:
            verdict.living["activities cancelled"] += 1
        elif _dropped(turns, "activity", name) or _ended_before(state, _latest_end(asked, action, outages)):
            verdict.living["activities that the end of their call took"] += 1
        else:
            verdict.lost.append(f"{where}, begun at {asked['committed_at']}, never ended; the call {state['ended']}")


def _is_answered(record: Record) -> bool:
    return record["outcome"] not in ("interrupted", "dropped")


def _compare_heard(journal: CallJournal, turns: list[Record], verdict: Verdict) -> None:
    """What was said by itself was heard once, before the next reply, in the order of the state."""
    said = [told for record in turns if record["kind"] in OWN for told in told_in(record["reply"]["text"])]
    fetched = [told for it in turns for reply in it.get("preceding", []) for told in told_in(reply["text"])]
    if fetched != said[: len(fetched)]:
        kind = verdict.doubled if Counter(fetched) - Counter(said) else verdict.reordered
        kind.append(f"{journal.call_sid}: fetched {fetched}, said by itself {said}")
    records = {record["turn_id"]: record for record in turns}
    for exchange in journal.exchanges:
        record = records.get(exchange.turn_id)
        if record is None or exchange.heard in ("abandoned", "nothing"):
            continue
        before = [told for reply in record.get("preceding", []) for told in told_in(reply["text"])]
        if exchange.told != before:
            kind = verdict.lost if Counter(before) - Counter(exchange.told) else verdict.doubled
            kind.append(f"{journal.call_sid}: {exchange.turn_id}: heard {exchange.told}, the state has {before}")
        verdict.living["replies heard by themselves"] += len(exchange.told)
    # A webhook's turn that the end of the call has cut off was answered with nothing: nobody was there to hear it.
    answered = (n for n, it in enumerate(turns) if it["turn_id"].startswith(("turn-", "start")) and _is_answered(it))
    last = max(answered, default=-1)
    late = [it for it in turns[:last] if it["kind"] in OWN and it["outcome"] == "replied"]
    if len(fetched) < len(late):
        verdict.lost.append(f"{journal.call_sid}: of {len(late)} replies to own turns {len(fetched)} were fetched")


def _compare_signals(journal: CallJournal, turns: list[Record], verdict: Verdict) -> None:
    counts = Counter(record["text"] for record in turns if record["kind"] == "signal")
    for name, fate in journal.signals.items():
        verdict.living[f"signals: {fate}"] += 1
        if counts[name] > 1:
            verdict.doubled.append(f"{journal.call_sid}: the signal {name} is in the state {counts[name]} times")
        elif fate == "taken" and not counts[name]:
            verdict.lost.append(f"{journal.call_sid}: the signal {name} was answered, and is not in the state")


def _dropped(turns: list[Record], kind: str, name: str) -> Record | None:
    """Return the turn that had come and waited, behind a lost worker say, until its call ended."""
    return next((it for it in turns if it["kind"] == kind and it["text"] == name and it["outcome"] == "dropped"), None)


def _cancelled_at(turns: list[Record], kind: str, name: str) -> int | None:
    return next((place for place, _, action in _asked(turns, kind) if action["name"] == name), None)


def _ended_at(state: Record) -> float | None:
    """When the turn had come that ended the call: what comes while it runs waits behind it, and is dropped with it."""
    if state["ended"] is None:
        return None
    ends = [record for record in state["turns"] if any(it["type"] == "hang_up" for it in record["reply"]["actions"])]
    return min([_seconds(state["ended"]["at"]), *(_seconds(record["received_at"]) for record in ends[-1:])])


def _ended_before(state: Record, moment: float) -> bool:
    end = _ended_at(state)
    return end is not None and end < moment


def _outage(outages: Sequence[Outage], began: float, ended: float) -> float:
    """How much of a time was within outages."""
    total, reached = 0.0, began
    for outage in sorted(outages, key=lambda it: it.began):
        start, end = max(outage.began, reached), min(outage.ended, ended)
        if end > start:
            total, reached = total + end - start, end
    return total


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
