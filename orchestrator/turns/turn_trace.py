"""The spans of a turn that runs, from what is known of it here."""

from orchestrator import tracing
from orchestrator.conversation.reply import Outcome
from orchestrator.conversation.state import TurnRecord
from orchestrator.turns.running_turn import RunningTurn, Stop
from orchestrator.turns.store import Commit


def run_span(running: RunningTurn, claim_began: int) -> tracing.RunSpan:
    """Return the span of the turn's run. `claim_began` is `tracing.now()` before its claim, or 0."""
    claim = running.claim
    running.span = tracing.turn_run(
        claim.turn,
        epoch=claim.lease.epoch,
        attempt=claim.attempt,
        channel="" if claim.state is None else claim.state.channel,
        state_bytes=claim.stored_bytes,
        began=claim_began,
    )
    return running.span


def agent_ended(span: tracing.AgentSpan, running: RunningTurn, ended: Outcome | Stop) -> None:
    """Note in the agent's span how it ended."""
    outcome = ended.reason if isinstance(ended, Stop) else ended
    span.ended(outcome, running.error_type, running.first_word_at)


def settled(running: RunningTurn, record: TurnRecord, commit: Commit) -> None:
    """Note in the run's span how the turn ended."""
    running.span.settled(record, commit.status, running.error_type)
