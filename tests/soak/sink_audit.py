"""The audit of the sinks: what they were told, against what the product says of the calls."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from soak.sinks import Sinks
from soak.verdict import Verdict

QUIET_SECONDS = 120.0
"""A sink that lacks the ends of calls and was told of none for so long is told of no more."""
LOOK_SECONDS = 2.0
HURRY_SECONDS = 15.0
"""How often what waits for its next attempt is tried at once, after all faults."""

Events = list[dict[str, Any]]


async def audit_sinks(sinks: Sinks, verdict: Verdict, hurry: Callable[[], Awaitable[None]]) -> None:
    """Wait until every sink was told all, then compare. `hurry` has what is pending tried at once."""
    hurrying = asyncio.create_task(_keep_hurrying(hurry))
    try:
        await _told_all(sinks, verdict)
    finally:
        hurrying.cancel()
        await asyncio.wait({hurrying})
    for sink, events in (await sinks.told()).items():
        _compare(sink, events, verdict)
    verdict.wrong += [f"webhook: {what}" for what in sinks.forged]


async def _keep_hurrying(hurry: Callable[[], Awaitable[None]]) -> None:
    while True:
        await hurry()
        await asyncio.sleep(HURRY_SECONDS)


async def _told_all(sinks: Sinks, verdict: Verdict) -> None:
    """Wait until every sink was told the end of each call, or nothing more for a while."""
    ended = {call_sid for call_sid, state in verdict.states.items() if state["ended"] is not None}
    clock = asyncio.get_running_loop().time
    before, since = 0, clock()
    while clock() - since < QUIET_SECONDS:
        told = await sinks.told_ends()
        if all(ended <= calls for calls in told.values()):
            return
        count = sum(map(len, told.values()))
        if count > before:
            before, since = count, clock()
        await asyncio.sleep(LOOK_SECONDS)


def _compare(sink: str, events: Events, verdict: Verdict) -> None:
    first = _as_they_came(events)
    verdict.sinks[f"{sink}: events"] += len(first)
    verdict.sinks[f"{sink}: told again"] += len(events) - len(first)
    if sink != "webhook" and len(events) != len(first):
        verdict.doubled.append(f"{sink}: {len(events) - len(first)} ids are there twice")
    by_call: dict[str, Events] = {}
    for event in first:
        by_call.setdefault(event["data"]["call_sid"], []).append(event)
    for call_sid, state in verdict.states.items():
        _compare_call(f"{sink}: {call_sid}", by_call.get(call_sid, []), state, verdict)


def _as_they_came(events: Events) -> Events:
    """Return each event once, at its first arrival."""
    first: dict[str, dict[str, Any]] = {}
    for event in events:
        first.setdefault(event["id"], event)
    return list(first.values())


def _compare_call(where: str, events: Events, state: dict[str, Any], verdict: Verdict) -> None:
    kinds = Counter(event["type"] for event in events)
    for kind in ("call.started", "call.ended"):
        if kinds[kind] > 1:
            verdict.doubled.append(f"{where}: {kinds[kind]} {kind}")
        elif not kinds[kind] and (kind == "call.started" or state["ended"] is not None):
            verdict.lost.append(f"{where}: no {kind} among {dict(kinds)}; the call ended {state['ended']}")
    seqs = [event["data"]["seq"] for event in events]
    if sorted(seqs) != list(range(1, len(seqs) + 1)):
        verdict.lost.append(f"{where}: the events have the numbers {sorted(seqs)}")
    elif seqs != sorted(seqs):
        verdict.reordered.append(f"{where}: the events came as {seqs}")
    recorded = [record["turn_id"] for record in state["turns"] if record["outcome"] != "dropped"]
    told = [event["data"]["turn_id"] for event in events if event["type"] == "turn.completed"]
    if Counter(told) != Counter(recorded):
        missing, more = Counter(recorded) - Counter(told), Counter(told) - Counter(recorded)
        (verdict.doubled if more else verdict.lost).append(f"{where}: turns not told {missing}, told too often {more}")
    for event in events:
        if event["type"] == "call.ended" and "turns" in event["data"]:
            _compare_record(where, event["data"], state, verdict)


def _compare_record(where: str, record: dict[str, Any], state: dict[str, Any], verdict: Verdict) -> None:
    told = [(turn["turn_id"], turn["outcome"], turn["reply"]["text"]) for turn in record["turns"]]
    known = [(turn["turn_id"], turn["outcome"], turn["reply"]["text"]) for turn in state["turns"]]
    if told != known[: len(told)] or record.get("partial"):
        verdict.wrong.append(f"{where}: the record says {told}, the state {known}")
