"""The audit of who is said to have noticed an incident: calls that did, as their callers noted or the agent did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from soak.journal import CallJournal, Exchange
from soak.shown import Json
from soak.verdict import Verdict

TOLERANCE_SECONDS = 0.5
"""A caller waits for so much less than the product says, at most: it began to count before, or ended after them."""


def audit_noticing(
    incidents: Sequence[Json], journals: Sequence[CallJournal], runs: Counter[str], now: float, verdict: Verdict
) -> None:
    """Look at every call that an incident lists. `runs` counts those of each turn, `now` is the event loop's time."""
    calls = {journal.call_sid: journal for journal in journals}
    for incident in incidents:
        listed = incident["calls"]
        if incident["calls_count"] < len(listed) or incident["worst_ms"] + 0.1 < max(
            (each["ms"] for each in listed), default=0.0
        ):
            verdict.untrue.append(f"an incident counts less than it lists: {incident}")
        for notice in listed:
            state = verdict.states.get(notice["call_sid"])
            journal = calls.get(notice["call_sid"])
            if state is None or journal is None:  # the caller was never answered, and is no caller to the soak
                verdict.cockpit["notices of calls that nobody heard"] += 1
                continue
            verdict.cockpit[f"noticed: {notice['how']}"] += 1
            if (wrong := _contradicted(notice, state, journal, runs, now)) is not None:
                verdict.untrue.append(
                    f"{notice['call_sid']} is said to have noticed {incident['id']} ({incident['kind']}): {notice}; "
                    f"{wrong}"
                )


def _contradicted(notice: Json, state: Json, journal: CallJournal, runs: Counter[str], now: float) -> str | None:
    """Return what speaks against it; None if all agrees."""
    record = next((turn for turn in state["turns"] if turn["turn_id"] == notice["turn_id"]), None)
    if notice["how"] == "reconnected":
        return None if journal.sessions > 1 else "its caller has taken one session only"
    if record is None:
        return "the turn is not in its state"
    exchange = _exchange_of(record, journal)
    match notice["how"]:
        case "repeated":
            sent = exchange is None or exchange.retries + exchange.copies > 0
            return None if sent else f"its caller has sent that once: {exchange}"
        case "failed":
            return None if record["outcome"] == "failed" else f"the turn was {record['outcome']}"
    if notice["how"] == "run_again" and _runs_of(record, journal, runs) > 1:
        return None
    waited, must = _waited(record, exchange, now), notice["ms"] / 1000 - TOLERANCE_SECONDS
    return None if waited >= must else f"it waited for {waited:.2f} s: {exchange or record}"


def _runs_of(record: Mapping[str, object], journal: CallJournal, runs: Counter[str]) -> int:
    return runs[f"{journal.call_sid}/{record['turn_id']}"]


def _exchange_of(record: Json, journal: CallJournal) -> Exchange | None:
    """Return what the caller knows of the turn; None for one that came by itself."""
    if record["kind"] not in ("started", "speech", "keys"):
        return None
    by_id = [it for it in journal.exchanges if it.turn_id == record["turn_id"]]
    return next(iter([*by_id, *(it for it in journal.exchanges if it.text == record["text"])]), None)


def _waited(record: Json, exchange: Exchange | None, now: float) -> float:
    """Return for how long the caller waited; of what came by itself, how long it took."""
    by_itself = _seconds(record["committed_at"]) - _seconds(record["received_at"])
    if exchange is None:
        return by_itself
    return (exchange.answered_at or now) - exchange.sent_at


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
