"""Runs the turns of calls: claim, run, commit, go on. The same code in a worker and in a single process."""

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any

from orchestrator import error_logging
from orchestrator.agents.agent_run import AgentRun
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import AgentProcessLost, UnreadableState
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns import bounds
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.isolation import MOST_ATTEMPTS, MOST_ATTEMPTS_APART, lane_of
from orchestrator.turns.messages import Arrival
from orchestrator.turns.reply_streamer import ReplyStreamer
from orchestrator.turns.retrying_store import RetryingStore
from orchestrator.turns.running_turn import RunningTurn, Stop
from orchestrator.turns.store import Claim, Commit, TurnStore

logger = logging.getLogger(__name__)

MOST_EARLY_ARRIVALS = 256
ENDED_DEADLINE_SECONDS = 5.0


class TurnRunner:
    """Runs claimed turns with one agent. `running` holds what runs right now, by call SID."""

    def __init__(self, store: TurnStore, agent: Agent, host: AgentHost, *, agent_timeout_seconds: float) -> None:
        self.store = store
        self._retrying_store = RetryingStore(store)
        self.agent = agent
        self.running: dict[str, RunningTurn] = {}
        self.draining = False
        self._host = host
        self._timeout = agent_timeout_seconds
        self._early: OrderedDict[str, Arrival] = OrderedDict()

    async def run(self, claim: Claim | None) -> None:
        """Run the claimed turn, and those that follow it in the inbox while the lease is ours."""
        while claim is not None:
            running = self._begin(claim)
            try:
                claim = await self._settle(running)
            except UnreadableState:
                await self._retrying_store.retry_later(running.claim)
                return
            finally:
                if self.running.get(running.claim.lease.call_sid) is running:
                    del self.running[running.claim.lease.call_sid]

    def _begin(self, claim: Claim) -> RunningTurn:
        call_sid = claim.lease.call_sid
        if (older := self.running.get(call_sid)) is not None:  # under a lease that ran out, and was granted to us again
            older.stop("lost")
        running = self.running[call_sid] = RunningTurn(claim)
        if (early := self._early.pop(call_sid, None)) is not None:
            self._give_way(running, early)
        if (later := claim.interruption) is not None:
            self._give_way(running, Arrival(call_sid, later.turn_id, later.kind, later.text, later.interrupts or ""))
        return running

    def arrived(self, arrival: Arrival) -> bool:
        """A turn has come for a call that runs here: stop the running turn if it must give way.

        Returns whether the new turn is to be rejected instead.
        """
        running = self.running.get(arrival.call_sid)
        if running is None:  # the news of it may overtake the claim of the turn that must give way
            self._early[arrival.call_sid] = arrival
            if len(self._early) > MOST_EARLY_ARRIVALS:
                self._early.popitem(last=False)
            return False
        return self._give_way(running, arrival)

    def _give_way(self, running: RunningTurn, arrival: Arrival) -> bool:
        claim = running.claim
        is_settled = claim.state is not None and claim.state.record_of(arrival.turn_id) is not None
        if is_settled or claim.turn.turn_id == arrival.turn_id:  # the news came late
            return False
        if arrival.kind == "ended":
            running.stop("ended")
            return False
        if arrival.kind == "interrupted":
            if arrival.interrupts in ("", claim.turn.turn_id):
                running.stop("interrupted", arrival.text)
            return False
        policy = self._overlap(running)
        if policy == "interrupt":
            running.stop("interrupted")
        elif policy == "merge" and not running.reply.text and not running.reply.actions:
            running.stop("merged")
        return policy == "reject"

    def _overlap(self, running: RunningTurn) -> str:
        state = running.claim.state
        default = "interrupt" if state is not None and state.channel == "relay" else "enqueue"
        return self.agent.overlap or default

    def hand_over(self) -> None:
        """Stop every running turn, so that it is handed back unrun. The last resort of a drain."""
        for running in list(self.running.values()):
            running.stop("handed_over")

    async def _settle(self, running: RunningTurn) -> Claim | None:
        claim, state, began = running.claim, running.claim.state, time.perf_counter()
        after: ConversationState | None = None
        if claim.unreadable:
            record = await self._unreadable(running)
        elif state is None or state.ended is not None or (claim.ending and claim.turn.kind != "ended"):
            record = outcomes.dropped_record(claim.turn, epoch=claim.lease.epoch)
        elif (known := state.record_of(claim.turn.turn_id)) is not None:
            record = known
        elif bounds.is_full(claim, state):
            state = self._prepared(running, state)
            record = bounds.last_record(claim, state)
        elif claim.turn.kind == "interrupted" and not self.agent.interruptions:
            state = outcomes.note_what_was_heard(state, claim.turn.text, claim.turn.interrupts)
            record = TurnRecord.of(claim.turn, "replied", Reply(), epoch=claim.lease.epoch)
        else:
            state = self._prepared(running, state)
            try:
                record, after = await self._attempt(running, state)
                record.overlap = self._overlap(running)
            except _LeftOff as left:
                await self._leave(claim, left.stop)
                return None
            except AgentProcessLost:
                await self._try_apart(claim)
                return None

        if state is not None and state.record_of(record.turn_id) is None:
            record, after = bounds.fitted(claim, state, after, record)

        def keep() -> bool:  # what is unreadable to us is left to whoever comes next
            return not (self.draining or claim.unreadable)

        commit = await self._retrying_store.commit(claim, state, after, record, keep=keep)
        self._log(claim, record, commit, time.perf_counter() - began)
        if commit.status == "lost":
            await self._retrying_store.release(claim)
        return commit.next

    def _prepared(self, running: RunningTurn, state: ConversationState) -> ConversationState:
        """The state as the agent is to see it: with what is known by now of what was heard."""
        turn = running.claim.turn
        if turn.kind == "interrupted":
            return outcomes.note_what_was_heard(state, turn.text, turn.interrupts)
        return outcomes.note_unfinished(state, turn.unfinished) if self._overlap(running) == "interrupt" else state

    async def _attempt(
        self, running: RunningTurn, state: ConversationState
    ) -> tuple[TurnRecord, ConversationState | None]:
        claim = running.claim
        if claim.attempt > MOST_ATTEMPTS_APART:
            return await self._give_up(running, f"its worker was lost {claim.attempt - 1} times while it ran"), None
        stop = await self._retrying_store.confirmed(running)
        if stop is not None or running.stopped.done():
            return self._stopped(running, stop or running.stopped.result(), None)
        turn, lane = outcomes.with_words_before(claim.turn, state), lane_of(claim.attempt)
        agent_run = self._host.run(self.agent, turn, state, lane)
        try:
            outcome = await self._run_agent(running, agent_run)
        except AgentProcessLost as lost:
            if lost.in_company or claim.attempt < MOST_ATTEMPTS:
                raise
            return await self._give_up(
                running, f"it ended the process that it ran in alone, at attempt {claim.attempt}"
            ), None
        if outcome == "timed_out" and agent_run.was_killed and lane != "own":
            await self._retrying_store.dead_letter(claim, "it froze the process that it ran in, until that was killed")
        if isinstance(outcome, Stop):
            # What the agent did until then holds, but words that were merged into the next turn are run again there.
            kept = None if outcome.reason == "merged" else agent_run.state_when_stopped
            return self._stopped(running, outcome, kept)
        changed = agent_run.state if outcome == "replied" else None
        return outcomes.record_of_run(running, outcome), changed

    async def _give_up(self, running: RunningTurn, reason: str) -> TurnRecord:
        running.reason = reason
        await self._retrying_store.dead_letter(running.claim, reason)
        return outcomes.record_of_run(running, "failed")

    @staticmethod
    def _stopped(
        running: RunningTurn, stop: Stop, kept: ConversationState | None
    ) -> tuple[TurnRecord, ConversationState | None]:
        if stop.reason in ("lost", "handed_over"):
            raise _LeftOff(stop)
        return outcomes.record_of_run(running, "interrupted", stop), kept

    async def _unreadable(self, running: RunningTurn) -> TurnRecord:
        """The record of a turn whose call nobody can read; raises `UnreadableState` while somebody else may."""
        if running.claim.attempt < MOST_ATTEMPTS:
            raise UnreadableState
        return await self._give_up(running, "the state of its call cannot be read")

    async def _run_agent(self, running: RunningTurn, agent_run: AgentRun) -> Outcome | Stop:
        """Let the agent speak until it has finished, failed, overrun its deadline or been stopped."""
        streamer = ReplyStreamer(self.store, running) if running.claim.streamed else None
        deadline = ENDED_DEADLINE_SECONDS if running.claim.turn.kind == "ended" else self._timeout
        listening = asyncio.ensure_future(self._listen(running, agent_run, streamer))
        try:
            waited: set[asyncio.Future[Any]] = {listening, running.stopped}
            await asyncio.wait(waited, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if running.stopped.done():
                return running.stopped.result()
            if not listening.done():
                self._complain(running, f"had not answered after {deadline:g} s")
                return "timed_out"
            error = listening.exception()
            if isinstance(error, AgentProcessLost):
                raise error
            if error is not None:
                self._complain(running, "raised", error)
                return "failed"
            return "replied"
        finally:
            await cancel_and_wait(listening)
            await agent_run.aclose()
            if streamer is not None:
                await streamer.close()

    async def _listen(self, running: RunningTurn, agent_run: AgentRun, streamer: ReplyStreamer | None) -> None:
        reply = running.reply
        async for part in agent_run:
            if isinstance(part, str):
                running.speak(part)
                if len(reply.text) > outcomes.MOST_REPLY_CHARACTERS:
                    raise ValueError(f"the reply is longer than {outcomes.MOST_REPLY_CHARACTERS} characters")
            else:
                reply.add(part)
                if len(reply.actions) > 100:
                    raise ValueError("the reply has more than 100 actions")
            if streamer is not None:
                streamer.grown()

    async def _try_apart(self, claim: Claim) -> None:
        """The process that ran the turn is gone, and perhaps for no fault of this turn: that was an attempt."""
        logger.warning(
            "The process that ran a turn was lost; the turn is tried again, apart from the others",
            extra={"action": "turn.tried_apart", "call_sid": claim.lease.call_sid, "turn_id": claim.turn.turn_id,
                   "attempt": claim.attempt},
        )  # fmt: skip
        await self._retrying_store.retry_later(claim, 0)

    async def _leave(self, claim: Claim, stop: Stop) -> None:
        """Go from a turn without an answer: its lease is another's now, or becomes so."""
        action = "turn.lease_lost" if stop.reason == "lost" else "turn.released"
        logger.warning(
            "A turn was left to another worker", extra={"action": action, "call_sid": claim.lease.call_sid,
            "turn_id": claim.turn.turn_id},
        )  # fmt: skip
        await self._retrying_store.release(claim)

    def _complain(self, running: RunningTurn, what: str, error: BaseException | None = None) -> None:
        about = {
            "action": "agent.failed", "call_sid": running.claim.lease.call_sid,
            "turn_id": running.claim.turn.turn_id, "agent": self.agent.name,
        }  # fmt: skip
        raised = "" if error is None else f" {error_logging.kind_of(error)} ({error_logging.where_raised(error)})"
        running.reason = f"the agent {what}{raised}"
        if error is None:
            logger.error("The agent %s; the caller hears an apology", what, extra=about)
        else:
            said = "The agent raised %s; the caller hears an apology"
            error_logging.log(logging.ERROR, logger, said, error=error, extra=about)

    @staticmethod
    def _log(claim: Claim, record: TurnRecord, commit: Commit, seconds: float) -> None:
        extra = {
            "action": f"turn.{record.outcome}", "call_sid": claim.lease.call_sid, "turn_id": record.turn_id,
            "seconds": round(seconds, 4), "epoch": claim.lease.epoch, "attempt": claim.attempt,
            "commit": commit.status,
        }  # fmt: skip
        if commit.status == "lost":
            logger.warning("A turn was answered by another worker", extra=extra)
        else:
            logger.info("Turn %s", record.outcome, extra=extra)
        if commit.status == "committed" and commit.state is not None and commit.state.ended is not None:
            end = commit.state.ended
            if commit.state.turns[-1].turn_id == record.turn_id and record.outcome != "dropped":
                logger.info(
                    "Call ended: %s", end.status,
                    extra={"action": "call.ended", "call_sid": claim.lease.call_sid, "reason": end.reason},
                )  # fmt: skip


class _LeftOff(Exception):
    """The turn is not ours to answer any more."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.reason)
        self.stop = stop
