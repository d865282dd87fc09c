"""What the record of a turn says of its run: by which process, at which attempt, and what it has survived."""

from orchestrator.conversation.faults import (
    HELD,
    HELD_AFTER_MS,
    LEASE_LOST,
    LONGEST_NAME,
    TRIED_AGAIN,
    WORKER_LOST,
    Fault,
    with_fault,
)
from orchestrator.conversation.state import TurnRecord
from orchestrator.turns.store import Claim


def note_run(claim: Claim, record: TurnRecord) -> None:
    """Write into the record of a turn that is about to be committed who ran it, and what is known of its faults."""
    record.worker = claim.lease.holder[:LONGEST_NAME]
    record.attempts = claim.attempt
    for fault in faults_of(claim):
        record.absorbed = with_fault(record.absorbed, fault)


def faults_of(claim: Claim) -> list[Fault]:
    """Return what the turn had survived when it was claimed."""
    faults = []
    if (held_ms := claim.turn.submitted_ms or 0.0) >= HELD_AFTER_MS:
        faults.append(Fault(fault=HELD, lost_ms=held_ms))
    if claim.taken_from == claim.lease.holder:
        faults.append(Fault(fault=LEASE_LOST, process=claim.taken_from[:LONGEST_NAME], lost_ms=lost_ms(claim)))
    elif claim.taken_from:
        faults.append(Fault(fault=WORKER_LOST, process=claim.taken_from[:LONGEST_NAME], lost_ms=lost_ms(claim)))
    elif claim.attempt > 1:
        faults.append(Fault(fault=TRIED_AGAIN, lost_ms=lost_ms(claim)))
    return faults


def lost_ms(claim: Claim) -> float:
    """Return how long the turn has waited in vain until this claim: since it was submitted, or the one before it done.

    That includes the attempts before, whatever they had said.
    """
    turn = claim.turn
    began = turn.received_at.timestamp() + (turn.submitted_ms or 0.0) / 1000
    if claim.state is not None and claim.state.turns:
        began = max(began, claim.state.turns[-1].committed_at.timestamp())
    return round(max(claim.claimed_at - began, 0.0) * 1000, 1)
