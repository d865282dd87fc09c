"""What the dashboard shows of calls and their turns, as plain values: pure functions of the states."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.conversation.state import ConversationState, TurnRecord

LATEST_TURNS = 60
_SUMMARY = {
    "call_sid", "status", "channel", "direction", "phase", "from_number", "to_number", "created_at", "updated_at",
    "agent", "tenant", "worker_version",
}  # fmt: skip


def summary(state: ConversationState) -> dict[str, Any]:
    """Return one line of the list of calls; `last` is what was said last, and by whom."""
    fields = state.model_dump(mode="json", include=_SUMMARY)
    return {**fields, "turns": len(state.turns), "version": state.version, "last": _last(state.turns)}


def calls_to_show(shown: Sequence[str], call_sids: Sequence[str], most: int) -> list[str]:
    """Return the calls to show: those shown so far that have not ended, then the last ones of `call_sids`, which is
    ordered by their latest turns."""
    live, known = set(call_sids), set(shown)
    stay = [sid for sid in shown if sid in live][:most]
    more = [sid for sid in reversed(call_sids) if sid not in known]
    return [*stay, *more[: most - len(stay)]]


def waiting(running: Iterable[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """Return how many running turns have no word of a reply yet, and for how many seconds the first has waited."""
    since = [float(turn.get("since", now)) for turn in running if not turn.get("said") and turn.get("kind") != "ended"]
    return {"count": len(since), "seconds": round(max(0.0, now - min(since)), 1) if since else None}


class LatestTurns:
    """How long the `LATEST_TURNS` latest turns took, also those of calls that have ended."""

    def __init__(self) -> None:
        self._timings: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, states: Iterable[ConversationState]) -> None:
        """Add the turns of these calls that are not known yet."""
        for state in states:
            for turn in state.turns[-LATEST_TURNS:]:
                if turn.kind != "ended":
                    self._timings.setdefault((state.call_sid, turn.turn_id), _timing(turn))
        latest = sorted(self._timings.items(), key=lambda item: str(item[1]["at"]))[-LATEST_TURNS:]
        self._timings = dict(latest)

    def stats(self) -> dict[str, Any]:
        """Return the latest turns, oldest first, with percentiles of their seconds from arrival to the first word."""
        latest = list(self._timings.values())
        seconds = sorted(timing["seconds"] for timing in latest)
        return {"latest": latest, "p50": percentile(seconds, 50), "p95": percentile(seconds, 95)}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile of sorted values; None when there are none."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else None


def _timing(turn: TurnRecord) -> dict[str, Any]:
    # Of two machines' clocks, so the difference may be slightly below zero.
    heard_at = turn.first_word_at or turn.committed_at
    seconds = max((heard_at - turn.received_at).total_seconds(), 0.0)
    return {
        "at": turn.committed_at.isoformat(), "seconds": round(seconds, 4), "outcome": turn.outcome,
        "timings": turn.timings,
    }  # fmt: skip


def _last(turns: Sequence[TurnRecord]) -> dict[str, str] | None:
    for turn in reversed(turns):
        if turn.heard_text:
            return {"by": "agent", "text": _short(turn.heard_text)}
        if turn.text and turn.kind in ("speech", "keys"):
            return {"by": "caller", "text": _short(turn.text)}
    return None


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
