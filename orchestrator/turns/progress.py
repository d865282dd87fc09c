"""The turns that run at the moment, for the dashboard. What is saved of a call is in its state."""

from typing import Any

from orchestrator.turns.runner import TurnRunner
from orchestrator.turns.running_turn import RunningTurn

MOST_TURNS = 100
MOST_CHARACTERS = 600


def progress_of(runner: TurnRunner) -> list[dict[str, Any]]:
    """Return the turns that run, oldest first: call, turn, what the caller said and what the agent has said so far.

    `attempt` counts the runs of the turn, from 1. `since` is when the turn was received (Unix seconds). At most 100
    turns, with the last 600 characters of each text.
    """
    turns = sorted(runner.running.values(), key=lambda running: running.claim.turn.received_at)
    return [_progress(running) for running in turns[:MOST_TURNS]]


def _progress(running: RunningTurn) -> dict[str, Any]:
    turn, said = running.claim.turn, running.reply.text
    if running.sensitive is not None:
        said = running.sensitive.redaction.text(said)
    return {
        "call_sid": turn.call_sid, "turn_id": turn.turn_id, "kind": turn.kind,
        "text": (turn.digits or turn.text)[-MOST_CHARACTERS:], "said": said[-MOST_CHARACTERS:],
        "attempt": running.claim.attempt, "since": turn.received_at.timestamp(),
    }  # fmt: skip
