"""What the dashboard says of calls and their turns, as plain values. Pure functions of the states."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.conversation.state import ConversationState, TurnRecord

LATEST_TURNS = 60
_SUMMARY = {
    "call_sid", "status", "channel", "direction", "phase", "from_number", "to_number", "created_at", "updated_at",
}  # fmt: skip


def summary(state: ConversationState) -> dict[str, Any]:
    """One line of the list of calls; `last` is what was said last, and by whom."""
    fields = state.model_dump(mode="json", include=_SUMMARY)
    return {**fields, "turns": len(state.turns), "version": state.version, "last": _last(state.turns)}


def chosen(shown: Sequence[str], call_sids: Sequence[str], most: int = 60) -> list[str]:
    """The calls to show: those shown so far that go on, then the last of `call_sids`, who did something last."""
    live, known = set(call_sids), set(shown)
    stay = [sid for sid in shown if sid in live][:most]
    more = [sid for sid in reversed(call_sids) if sid not in known]
    return [*stay, *more[: most - len(stay)]]


def waiting(running: Iterable[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """How many turns are being answered without a word so far, and for how many seconds the first has waited."""
    since = [float(turn.get("since", now)) for turn in running if not turn.get("said") and turn.get("kind") != "ended"]
    return {"count": len(since), "seconds": round(max(0.0, now - min(since)), 1) if since else None}


class LatestTurns:
    """How long the latest turns took, also of calls that have ended: until newer ones come in their place."""

    def __init__(self) -> None:
        self._timings: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, states: Iterable[ConversationState]) -> None:
        """Note the turns of these calls; those that are known already change nothing."""
        for state in states:
            for turn in state.turns[-LATEST_TURNS:]:
                if turn.kind != "ended":
                    self._timings.setdefault((state.call_sid, turn.turn_id), _timing(turn))
        latest = sorted(self._timings.items(), key=lambda item: str(item[1]["at"]))[-LATEST_TURNS:]
        self._timings = dict(latest)

    def figures(self) -> dict[str, Any]:
        """The latest turns, oldest first, with percentiles of their seconds, from arrival to the first word."""
        latest = list(self._timings.values())
        seconds = sorted(timing["seconds"] for timing in latest)
        return {"latest": latest, "p50": percentile(seconds, 50), "p95": percentile(seconds, 95)}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile of values in order; None when there are none."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else None


def _timing(turn: TurnRecord) -> dict[str, Any]:
    # Two machines' clocks: the difference may come out a little under zero.
    heard_at = turn.first_word_at or turn.committed_at
    seconds = max((heard_at - turn.received_at).total_seconds(), 0.0)
    return {"at": turn.committed_at.isoformat(), "seconds": round(seconds, 4), "outcome": turn.outcome}


def _last(turns: Sequence[TurnRecord]) -> dict[str, str] | None:
    for turn in reversed(turns):
        if turn.heard_text:
            return {"by": "agent", "text": _short(turn.heard_text)}
        if turn.text and turn.kind in ("speech", "keys"):
            return {"by": "caller", "text": _short(turn.text)}
    return None


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
