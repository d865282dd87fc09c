"""What the log says of turns that have been run. Never what was said: callers' words are logged at `DEBUG` only."""

import logging

from orchestrator import error_logging, event_log
from orchestrator.conversation.state import TurnRecord
from orchestrator.errors import BadHandOff
from orchestrator.turns.running_turn import RunningTurn
from orchestrator.turns.store import Claim, Commit

logger = logging.getLogger(__name__)


def agent_failed(running: RunningTurn, agent: str, what: str, error: BaseException | None = None) -> None:
    """Log what the agent did wrong, and note it as the reason of the turn's record."""
    about = {
        "action": "agent.failed", "call_sid": running.claim.lease.call_sid,
        "turn_id": running.claim.turn.turn_id, "agent": agent,
    }  # fmt: skip
    raised = "" if error is None else f" {error_logging.kind_of(error)} ({error_logging.where_raised(error)})"
    running.error_type = "timeout" if error is None else error_logging.kind_of(error)
    running.reason = f"the agent {what}{raised}"
    if error is None:
        logger.error("The agent %s; the caller hears an apology", what, extra=about)
    elif isinstance(error, BadHandOff):
        logger.error("%s; the caller hears an apology", error, extra=about)
    else:
        said = "The agent raised %s; the caller hears an apology"
        hide = running.sensitive.redaction.text if running.sensitive is not None else None
        error_logging.log(logging.ERROR, logger, said, error=error, extra=about, hide=hide)


def words_lost(running: RunningTurn) -> None:
    """Log that a sensitive turn came where no key was set, and note it as the reason of the turn's record."""
    running.reason = "what a sensitive turn brought is lost: the process that received it has no key"
    logger.error(
        "A sensitive turn fails, since no key is set for it: set SEAL_KEY or STATE_ENCRYPTION_KEYS in the environment "
        "of web and workers; the caller hears an apology",
        extra={
            "action": "sensitive.no_key", "call_sid": running.claim.lease.call_sid,
            "turn_id": running.claim.turn.turn_id,
        },
    )  # fmt: skip


def agent_unknown(claim: Claim, name: str, *, is_last: bool) -> None:
    """Log that this process does not know the agent that has the call; if this attempt `is_last`, `AGENT` answers."""
    about = {"call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id, "agent": name}
    if is_last:
        said = "No worker knows the agent %r that has the call, so AGENT answers. Give all processes the same ROUTES."
        logger.error(said, name, extra={"action": "agent.unknown"} | about)
    else:
        said = "This worker does not know the agent %r that has the call; another worker tries"
        logger.warning(said, name, extra={"action": "turn.agent_unknown", "attempt": claim.attempt} | about)


def settled(claim: Claim, record: TurnRecord, commit: Commit, seconds: float) -> None:
    """Log the outcome of a turn, which took `seconds`, and the end of its call if this was it."""
    extra = {
        "action": f"turn.{record.outcome}", "call_sid": claim.lease.call_sid, "turn_id": record.turn_id,
        "seconds": round(seconds, 4), "epoch": claim.lease.epoch, "attempt": claim.attempt,
        "commit": commit.status,
    }  # fmt: skip
    if commit.status == "lost":
        logger.warning("A turn was answered by another worker", extra=extra)
    else:
        event_log.info(logger, "Turn %s", record.outcome, extra=extra)
    if commit.status == "committed" and commit.state is not None and commit.state.ended is not None:
        end = commit.state.ended
        if commit.state.turns[-1].turn_id == record.turn_id and record.outcome != "dropped":
            logger.info(
                "Call ended: %s", end.status,
                extra={"action": "call.ended", "call_sid": claim.lease.call_sid, "reason": end.reason},
            )  # fmt: skip
