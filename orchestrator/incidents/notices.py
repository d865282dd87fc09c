"""What a turn that was committed says of its call: which faults it noticed, and by how much. No I/O."""

from orchestrator.conversation.faults import HELD, LEASE_LOST, REDIS_OUTAGE, TRIED_AGAIN, WORKER_LOST, Fault
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.timings import FINISHED
from orchestrator.incidents.incident import How, Noticed
from orchestrator.turns.store import Claim

_HOW: dict[str, How] = {
    WORKER_LOST: "run_again", LEASE_LOST: "run_again", TRIED_AGAIN: "run_again", HELD: "held", REDIS_OUTAGE: "held",
}  # fmt: skip


def is_abnormal(record: TurnRecord) -> bool:
    """True if the turn has survived a fault, or was given up after several attempts."""
    return bool(record.absorbed) or _is_given_up(record)


def notices_of(claim: Claim, record: TurnRecord, at: float) -> list[Noticed]:
    """Return what the turn of `record` noticed, which was committed at `at` (Unix seconds)."""
    call_sid, turn_id = claim.lease.call_sid, record.turn_id
    submitted_at = record.received_at.timestamp() + (claim.turn.submitted_ms or 0.0) / 1000
    return [
        Noticed(
            call_sid, turn_id, how, fault.lost_ms,
            submitted_at if fault.fault == HELD else at, fault.process,
            claim.silent_since if fault.process == claim.taken_from and fault.fault == WORKER_LOST else None,
        )
        for fault in record.absorbed
        if (how := _how(record, fault)) is not None
    ]  # fmt: skip


def _how(record: TurnRecord, fault: Fault) -> How | None:
    """Return what the caller noticed of the fault that the turn has survived; None if nothing is known of that."""
    how = _HOW.get(fault.fault)
    if how == "run_again" and record.outcome == "interrupted" and FINISHED not in record.timings:
        return None  # they said something else before another worker could begin, and may have heard a reply by then
    return "failed" if how is not None and _is_given_up(record) else how


def _is_given_up(record: TurnRecord) -> bool:
    return record.outcome == "failed" and record.attempts > 1
