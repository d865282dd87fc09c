"""What the dashboard says of calls and their turns, as plain values. Pure functions of the states."""

import math
from collections.abc import Iterable, Sequence
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


def turn_figures(states: Iterable[ConversationState]) -> dict[str, Any]:
    """How long the latest turns took, from their arrival to the commit of the reply: seconds, oldest first."""
    answered = [turn for state in states for turn in state.turns if turn.kind != "ended"]
    answered.sort(key=lambda turn: turn.committed_at)
    latest = [_timing(turn) for turn in answered[-LATEST_TURNS:]]
    seconds = sorted(timing["seconds"] for timing in latest)
    return {"latest": latest, "p50": percentile(seconds, 50), "p95": percentile(seconds, 95)}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile of values in order; None when there are none."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else None


def _timing(turn: TurnRecord) -> dict[str, Any]:
    # Two machines' clocks: the difference may come out a little under zero.
    seconds = max((turn.committed_at - turn.received_at).total_seconds(), 0.0)
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
