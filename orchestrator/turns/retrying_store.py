"""Repeats what a runner asks of the turn store, so that a turn outlives outages and failovers of Redis."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator import clock, tracing
from orchestrator.conversation.faults import REDIS_OUTAGE, Fault, with_fault
from orchestrator.conversation.timings import milliseconds_since
from orchestrator.errors import StoreUnavailable
from orchestrator.process_metrics import catalog
from orchestrator.retrying import until_deadline
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.commit_attempt import CommitAttempt
from orchestrator.turns.running_turn import RunningTurn, Stop
from orchestrator.turns.store import Claim, Commit, TurnStore

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
"""How long to retry what a turn depends on."""
LEAVE_DEADLINE_SECONDS = 5.0
"""How long to retry what another worker makes up for when the lease expires."""
UNREADABLE_PAUSE_SECONDS = 0.5
"""How long a turn waits before it is tried again, perhaps by a process of a newer version that can read the state."""


class RetryingStore:
    """What a runner does with a claim before and after the agent runs. Each method retries until its deadline."""

    def __init__(self, store: TurnStore) -> None:
        self._store = store

    async def confirmed(self, running: RunningTurn) -> Stop | None:
        """Wait until no failover can take the claim back: else another worker would repeat what the agent did.

        Return why the turn is not to be run, or None.
        """
        claim = running.claim
        if claim.confirmed:
            return None
        with tracing.span("confirm"):
            return await self._confirmed(claim, running)

    async def _confirmed(self, claim: Claim, running: RunningTurn) -> Stop | None:
        confirm = partial(self._store.confirm, claim)
        confirming = asyncio.ensure_future(until_deadline(confirm, DEADLINE_SECONDS))
        waited: set[asyncio.Future[Any]] = {confirming, running.stopped}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if running.stopped.done():
            await cancel_and_wait(confirming)
            return running.stopped.result()
        try:
            return None if confirming.result() else Stop("lost")
        except StoreUnavailable:
            return Stop("released")

    async def commit(self, claim: Claim, attempt: CommitAttempt, *, keep: Callable[[], bool]) -> Commit:
        """Commit until the store has said what became of it. On a conflict, repeat on top of the stored state.

        `keep` is asked before each try: True if this process would run the next turn of the call.
        """
        while True:
            try:
                commit = await self._commit(claim, attempt, keep)
            except StoreUnavailable:
                logger.error(
                    "A reply could not be saved in time; the turn is left to another worker",
                    extra={"action": "turn.commit_timed_out", "call_sid": claim.lease.call_sid},
                )
                return Commit("lost")
            if commit.status != "conflict" or commit.state is None:
                return commit
            attempt = attempt.on_top_of(commit.state)
            if attempt.base is None:
                self._note_disagreement(claim)

    async def _commit(self, claim: Claim, attempt: CommitAttempt, keep: Callable[[], bool]) -> Commit:
        record, state, failed_at = attempt.record, attempt.state(), 0.0

        async def commit() -> Commit:
            nonlocal state, failed_at
            if failed_at and not attempt.is_recorded:
                lost = Fault(fault=REDIS_OUTAGE, lost_ms=milliseconds_since(failed_at, clock.now()))
                record.absorbed = with_fault(record.absorbed, lost)
                state = attempt.state()
            failed_at = failed_at or clock.now()
            return await self._store.commit(claim, state, record, keep=keep(), is_recorded=attempt.is_recorded)

        return await until_deadline(commit, DEADLINE_SECONDS)

    @staticmethod
    def _note_disagreement(claim: Claim) -> None:
        """Log that the store reads another version in the stored state than this process does.

        No process can write such a state: the caller gets the reply, and it is not saved.
        """
        claim.unreadable = True
        logger.error(
            "The version of a call's state is ambiguous, so the state cannot be written: delete its key",
            extra={"action": "state.unreadable", "call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id},
        )

    async def release(self, claim: Claim) -> None:
        """Release the lease without using up an attempt. If Redis does not answer, the lease expires."""
        with suppress(StoreUnavailable):
            await until_deadline(lambda: self._store.release(claim), LEAVE_DEADLINE_SECONDS)

    async def retry_later(
        self, claim: Claim, seconds: float = UNREADABLE_PAUSE_SECONDS, *, is_attempt: bool = True
    ) -> None:
        """Return a turn to the inbox, to be tried again in some `seconds`, perhaps by another worker."""
        retry = partial(self._store.retry_later, claim, seconds, is_attempt=is_attempt)
        with suppress(StoreUnavailable):
            await until_deadline(retry, LEAVE_DEADLINE_SECONDS)

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        """Put the turn among the dead letters, without what a sensitive one brought: that cannot be replayed. Raise
        `StoreUnavailable` after the deadline.
        """
        if claim.turn.sensitive:
            claim = replace(claim, turn=claim.turn.model_copy(update={"sealed_words": ""}))
        await until_deadline(lambda: self._store.dead_letter(claim, reason), DEADLINE_SECONDS)
        catalog.TURNS_DEAD_LETTERED.inc()
        logger.error(
            "A turn was put among the dead letters: %s; see `voiceagent dead`", reason,
            extra={"action": "turn.dead_lettered", "call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id},
        )  # fmt: skip
