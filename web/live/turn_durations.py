"""How long the latest turns took, and which turns wait: pure functions of states and of what runs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.conversation.state import ConversationState, TurnRecord

LATEST_TURNS = 60


def waiting(running: Iterable[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """Return how many running turns have no word of a reply yet, and for how many seconds the first has waited."""
    since = [float(turn.get("since", now)) for turn in running if not turn.get("said") and turn.get("kind") != "ended"]
    return {"count": len(since), "seconds": round(max(0.0, now - min(since)), 1) if since else None}


class LatestTurns:
    """How long the `LATEST_TURNS` latest turns took, also those of calls that have ended."""

    def __init__(self) -> None:
        self._timings: dict[tuple[str, str], dict[str, Any]] = {}
        self._since = ""
        """When the oldest of them was committed, once there are as many as are kept."""

    def add(self, states: Iterable[ConversationState]) -> None:
        """Add the turns of these calls that are not known yet."""
        added = [self._add(state) for state in states]
        if any(added):
            latest = sorted(self._timings.items(), key=lambda item: str(item[1]["at"]))[-LATEST_TURNS:]
            self._timings = dict(latest)
            self._since = latest[0][1]["at"] if len(latest) == LATEST_TURNS else ""

    def _add(self, state: ConversationState) -> bool:
        """Add turns of the call from the latest back to one that is known, or is too old. Return whether any."""
        added = False
        for turn in reversed(state.turns[-LATEST_TURNS:]):
            key = state.call_sid, turn.turn_id
            if key in self._timings or turn.committed_at.isoformat() <= self._since:
                break
            if turn.kind != "ended":
                self._timings[key] = _timing(turn)
                added = True
        return added

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
