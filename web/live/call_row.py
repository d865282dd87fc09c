"""One line of the list of live calls, and the health of the call: pure functions of its state and of what runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from orchestrator.conversation.state import ConversationState, TurnRecord

Health = Literal["ok", "slow", "failing"]
HEALTHS: tuple[Health, ...] = ("ok", "slow", "failing")
SLOW_SECONDS = 2.0
"""A caller who has heard no word of a reply for longer notices it."""
LONGEST_WORDS = 160
_FIELDS = {
    "call_sid", "status", "channel", "direction", "phase", "from_number", "to_number", "created_at", "updated_at",
    "agent", "tenant", "worker_version",
}  # fmt: skip
_FAILED = ("failed", "timed_out")
_GIVEN_UP = ("its worker was lost", "it ended the process", "it froze the process", "the state of its call")
"""How the reasons of turns begin that were run too often (`orchestrator.turns.turn_plan`, `runner`)."""


class CallHealth(NamedTuple):
    """How healthy a call is, and why, in a word for machines: "" while all is well."""

    health: Health
    why: str = ""


FINE = CallHealth("ok")


def row_of(state: ConversationState) -> dict[str, Any]:
    """Return the line of a call but for its health; `last` is what was said last, and by whom."""
    fields = state.model_dump(mode="json", include=_FIELDS)
    defaults = {"agent": "", "tenant": "", "worker_version": ""}
    return {**defaults, **fields, "turns": len(state.turns), "version": state.version, "last": _last(state.turns)}


def past_health(state: ConversationState) -> CallHealth:
    """Return the health of the call by its last turn."""
    last = next((turn for turn in reversed(state.turns) if turn.kind != "ended"), None)
    if last is None or last.outcome not in _FAILED:
        return FINE
    return CallHealth("failing", "dead_letter" if last.reason.startswith(_GIVEN_UP) else "failed")


def health_now(past: CallHealth, running: Mapping[str, Any] | None, now: float) -> CallHealth:
    """Return the health of the call, whose turn `running` is being answered. `now` is Unix seconds.

    If that `is_held`, no worker has taken it yet.
    """
    if past.health == "failing" or running is None or running.get("kind") == "ended":
        return past
    if running.get("is_held"):
        return CallHealth("slow", "held")
    if _number(running.get("attempt"), 1) > 1:
        return CallHealth("slow", "run_again")
    waits = not running.get("said") and now - _number(running.get("since"), now) > SLOW_SECONDS
    return CallHealth("slow", "waits") if waits else past


def _number(value: Any, default: float) -> float:
    """Return a number of a worker's report; another version may have sent something else."""
    return float(value) if isinstance(value, int | float) else default


def _last(turns: Sequence[TurnRecord]) -> dict[str, str] | None:
    for turn in reversed(turns):
        if turn.heard_text:
            return {"by": "agent", "text": _short(turn.heard_text)}
        if turn.text and turn.kind in ("speech", "keys"):
            return {"by": "caller", "text": _short(turn.text)}
    return None


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"
