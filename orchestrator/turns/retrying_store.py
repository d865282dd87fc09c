"""A turn store that is asked until it answers: what becomes of a claim, over outages and failovers."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import StoreUnavailable
from orchestrator.retrying import until_deadline
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.running_turn import RunningTurn, Stop
from orchestrator.turns.store import Claim, Commit, TurnStore

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
LEAVE_DEADLINE_SECONDS = 5.0
UNREADABLE_PAUSE_SECONDS = 0.5
"""Somebody of a newer version may come by, and read it."""


class RetryingStore:
    """What a runner does with a claim before and after the agent's part."""

    def __init__(self, store: TurnStore) -> None:
        self._store = store

    async def confirmed(self, running: RunningTurn) -> Stop | None:
        """Wait until it is sure that the turn is ours to run; else another would do again what was done of it.

        Returns why it is not to be run.
        """
        claim = running.claim
        if claim.confirmed:
            return None
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
            return Stop("handed_over")

    async def commit(
        self,
        claim: Claim,
        before: ConversationState | None,
        after: ConversationState | None,
        record: TurnRecord,
        *,
        keep: Callable[[], bool],
    ) -> Commit:
        """Commit until it is known what became of it; on a state that moved, upon that state.

        `keep` tells at each try whether we would go on with the call's next turn.
        """
        base = before
        while True:
            write = partial(self._store.commit, claim, outcomes.with_record(base, after, record), record)
            try:
                commit = await until_deadline(lambda: write(keep=keep()), DEADLINE_SECONDS)  # noqa: B023
            except StoreUnavailable:
                logger.error(
                    "A reply could not be saved in time; the turn is left to whoever finds it",
                    extra={"action": "turn.commit_timed_out", "call_sid": claim.lease.call_sid},
                )
                return Commit("lost")
            if commit.status != "conflict" or commit.state is None:
                return commit
            known = commit.state.record_of(record.turn_id)
            record = known or record
            if base is not None and commit.state.version == base.version:
                self._note_disagreement(claim)
                base = before = None
                continue
            if before is not None:
                after = outcomes.rebased(commit.state, before, after)
            base = before = commit.state

    @staticmethod
    def _note_disagreement(claim: Claim) -> None:
        """The store sees another version in the state than we read there, so nobody can ever write it: the reply is
        told, and not kept."""
        claim.unreadable = True
        logger.error(
            "The state of a call has no version that all agree on, and cannot be written: delete its key",
            extra={"action": "state.unreadable", "call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id},
        )

    async def release(self, claim: Claim) -> None:
        """Give back what may still be ours, and say that nobody died; if Redis won't hear it, the lease runs out."""
        with suppress(StoreUnavailable):
            await until_deadline(lambda: self._store.release(claim), LEAVE_DEADLINE_SECONDS)

    async def retry_later(self, claim: Claim, seconds: float = UNREADABLE_PAUSE_SECONDS) -> None:
        """Leave a turn of which we can make nothing, or that is to be tried otherwise, to whoever comes next."""
        with suppress(StoreUnavailable):
            await until_deadline(lambda: self._store.retry_later(claim, seconds), LEAVE_DEADLINE_SECONDS)

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        """Keep the turn for a person to look at."""
        await until_deadline(lambda: self._store.dead_letter(claim, reason), DEADLINE_SECONDS)
        logger.error(
            "A turn was given up: %s; see `voiceagent dead`", reason,
            extra={"action": "turn.dead_lettered", "call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id},
        )  # fmt: skip
