"""Runs the turns of calls: plan, run the agent, commit, continue with the next turn of the call.

The same code serves a worker and an ingress that runs its calls itself.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from orchestrator import tracing
from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.agents.reply_run import ReplyRun
from orchestrator.conversation.actions import hand_offs
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import OWN_KINDS
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import AgentProcessLost, UnreadableSeal, UnreadableState
from orchestrator.process_metrics import catalog
from orchestrator.sensitive_turns.hiding import is_lost
from orchestrator.turns import bounds, turn_log, turn_trace
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.commit_attempt import CommitAttempt
from orchestrator.turns.committed_counts import count_committed
from orchestrator.turns.isolation import MOST_ATTEMPTS, placement_of
from orchestrator.turns.left_turns import leave
from orchestrator.turns.merged_words import with_merged_words
from orchestrator.turns.messages import Arrival
from orchestrator.turns.reply_collection import collect_reply
from orchestrator.turns.retrying_store import RetryingStore
from orchestrator.turns.running_turn import Left, RunningTurn, Stop
from orchestrator.turns.sensitive_run import SensitiveTurns
from orchestrator.turns.store import Claim, TurnStore
from orchestrator.turns.turn_facts import note_run
from orchestrator.turns.turn_plan import (
    DeadLetter,
    Drop,
    Full,
    NoteOnly,
    Plan,
    Recorded,
    Run,
    Unreadable,
    overlap_policy,
    plan,
)
from orchestrator.turns.unheard import note_preceding
from orchestrator.worker_versions.outcomes import TurnOutcomes

logger = logging.getLogger(__name__)

MOST_EARLY_ARRIVALS = 256
"""How many arrivals are kept for calls of which no turn runs here yet."""
ENDED_DEADLINE_SECONDS = 5.0
"""How long an agent may take for the turn that says that the call has ended: nobody hears its reply."""


class TurnRunner:
    """Runs claimed turns with the agents that have their calls.

    `running` holds those that run, by call SID; `outcomes` how the last ended; `on_committed` is told of each record
    that was written. `sensitive` is the cipher of sensitive turns, which fail without it.
    """

    def __init__(
        self,
        store: TurnStore,
        agents: AgentTable | Agent,
        host: AgentHost,
        *,
        agent_timeout_seconds: float,
        sensitive: Cipher | None = None,
    ) -> None:
        self.store = store
        self._retrying_store = RetryingStore(store)
        self.agents = agents if isinstance(agents, AgentTable) else AgentTable(agents)
        self.running: dict[str, RunningTurn] = {}
        self.draining = False
        self._host = host
        self._timeout = agent_timeout_seconds
        self._sensitive = SensitiveTurns(sensitive)
        self.outcomes = TurnOutcomes()
        self.on_committed: Callable[[Claim, TurnRecord], None] = lambda claim, record: None
        self._early: OrderedDict[str, Arrival] = OrderedDict()

    def _agent_of(self, claim: Claim) -> Agent:
        """Return the agent that has the call; the default one if this process does not know its name."""
        return self.agents.agent_of(claim.state) or self.agents.default

    def _speaker(self, running: RunningTurn) -> Agent:
        """Return the agent that speaks: of several in a turn the one that was handed the call last."""
        return self._agent_of(running.claim) if running.reply_run is None else running.reply_run.agent

    async def run(self, claim: Claim | None, claim_began: int = 0) -> None:
        """Run the claimed turn and those that follow it in the inbox, for as long as this process has the lease.

        `claim_began` is `tracing.now()` before the claim.
        """
        while claim is not None:
            running = self._begin(claim)
            try:
                with turn_trace.run_span(running, claim_began):
                    claim, claim_began = await self._settle(running), 0
            finally:
                if self.running.get(running.claim.lease.call_sid) is running:
                    del self.running[running.claim.lease.call_sid]

    def _begin(self, claim: Claim) -> RunningTurn:
        call_sid = claim.lease.call_sid
        older, running = self.running.get(call_sid), RunningTurn(claim)
        if older is not None:  # its lease expired, and this process was granted it again
            older.stop("lost")
        self.running[call_sid] = running
        if (early := self._early.pop(call_sid, None)) is not None:
            self._stop_for(running, early)
        if (later := claim.interruption) is not None:
            self._stop_for(running, Arrival.of(later))
        return running

    def arrived(self, arrival: Arrival) -> bool:
        """Take note of a turn that has arrived for a call: stop the call's running turn if the overlap policy says so.

        Return whether the new turn is to be rejected instead.
        """
        running = self.running.get(arrival.call_sid)
        if running is None:  # the message may overtake the claim of the turn that is to be stopped
            if arrival.kind in OWN_KINDS and not arrival.is_interrupting:  # it stops none
                return False
            self._early[arrival.call_sid] = arrival
            if len(self._early) > MOST_EARLY_ARRIVALS:
                self._early.popitem(last=False)
            return False
        return self._stop_for(running, arrival)

    def _stop_for(self, running: RunningTurn, arrival: Arrival) -> bool:
        claim = running.claim
        is_settled = claim.state is not None and claim.state.record_of(arrival.turn_id) is not None
        if is_settled or claim.turn.turn_id == arrival.turn_id:  # the message came late
            return False
        if arrival.kind == "ended":
            running.stop("ended")
            return False
        if arrival.kind == "interrupted":
            if arrival.interrupts in ("", claim.turn.turn_id):
                running.stop("interrupted", self._sensitive.heard(arrival))
            return False
        if arrival.kind in OWN_KINDS:
            if arrival.is_interrupting:
                running.stop("interrupted")
            return False
        policy = overlap_policy(claim, self._speaker(running))
        if policy == "interrupt":
            running.stop("interrupted")
        elif policy == "merge" and claim.turn.has_words and not running.reply.text and not running.reply.actions:
            running.stop("merged")
        return policy == "reject"

    def release_all(self) -> None:
        """Stop every running turn and release its lease without a result. The last resort of a drain."""
        for running in list(self.running.values()):
            running.stop("released")

    async def _settle(self, running: RunningTurn) -> Claim | None:
        """Carry out the plan for a claimed turn and commit. Return the next turn of the call, or None.

        The next turn is claimed under the same lease. None: the lease is released.
        """
        began = time.perf_counter()
        try:
            running.sensitive = self._sensitive.begin(running.claim)
            result = await self._carry_out(plan(running.claim, self._agent_of(running.claim)), running)
            if not isinstance(result, Left):
                return await self._commit(running, result, began)
        except UnreadableState as error:
            is_key_missing = isinstance(error, UnreadableSeal) and error.is_key_missing
            result = Left("key_missing" if is_key_missing else "unreadable")
        await leave(self._retrying_store, running, result)
        return None

    async def _carry_out(self, planned: Plan, running: RunningTurn) -> CommitAttempt | Left:
        claim = running.claim
        match planned:
            case Run(state):
                return await self._run(running, state)
            case Recorded(record):
                return CommitAttempt(claim.state, None, record)
            case NoteOnly(state):
                return CommitAttempt(state, None, outcomes.noted_record(claim.turn, state, epoch=claim.lease.epoch))
            case Full(state):
                return CommitAttempt(state, None, bounds.last_record(claim, state))
            case Drop():
                return CommitAttempt(claim.state, None, outcomes.dropped_record(claim.turn, epoch=claim.lease.epoch))
            case DeadLetter(state, reason):
                self.outcomes.ended("dead_letter")
                return await self._dead_letter(running, state, reason)
            case Unreadable():
                return Left("unreadable")

    async def _commit(self, running: RunningTurn, attempt: CommitAttempt, began: float) -> Claim | None:
        claim, base, record, after = running.claim, attempt.base, attempt.record, attempt.after
        is_new = base is None or base.record_of(record.turn_id) is None
        if is_new:
            note_run(claim, record)
            record.timings.update(running.timings())
            if base is not None:
                if running.sensitive is not None:
                    after = running.sensitive.hide(base, after, record)
                note_preceding(base, record)
                record, after = bounds.fitted(claim, base, after, record)
        attempt = CommitAttempt(base, after, record, bounds.late_timings(claim, base))

        def keep() -> bool:  # a process that can read the state should run the turns that follow
            return not (self.draining or claim.unreadable)

        with tracing.span("commit"):
            commit = await self._retrying_store.commit(claim, attempt, keep=keep)
        turn_trace.settled(running, attempt.record, commit)
        if commit.status == "committed":
            self.on_committed(claim, attempt.record)
        turn_log.settled(claim, attempt.record, commit, time.perf_counter() - began)
        if is_new:
            count_committed(base, record, commit)
        if commit.status == "lost":
            catalog.LEASES_LOST.inc()
            await self._retrying_store.release(claim)
        return commit.next

    async def _run(self, running: RunningTurn, state: ConversationState) -> CommitAttempt | Left:
        claim = running.claim
        if is_lost(claim.turn):
            turn_log.words_lost(running)
            return self._to_commit(running, state, None, outcomes.record_of_run(running, "failed"))
        placement = placement_of(claim.attempt)
        if (agent := self.agents.agent_of(state)) is None:
            turn_log.agent_unknown(claim, state.agent, is_last=claim.attempt >= MOST_ATTEMPTS)
            if claim.attempt < MOST_ATTEMPTS:
                return Left("unknown_agent")
            agent, placement = self.agents.default, "configured"  # the attempts before were none of its own
        stop = await self._retrying_store.confirmed(running)
        if stop is not None or running.stopped.done():
            return self._stopped(running, state, stop or running.stopped.result(), None)
        turn, given = with_merged_words(claim.turn, state), state
        if running.sensitive is not None:
            turn, given = running.sensitive.for_agent(state)
        reply_run = ReplyRun(self.agents, self._host, agent, turn, given, placement, running.reply)
        running.reply_run = reply_run
        deadline = ENDED_DEADLINE_SECONDS if turn.kind == "ended" else self._timeout
        try:
            with tracing.agent_run(agent.name, turn) as span:
                outcome = await collect_reply(self.store, running, reply_run, deadline)
                turn_trace.agent_ended(span, running, outcome)
            how = outcome.reason if isinstance(outcome, Stop) else outcome
            catalog.observe_run(reply_run.agent.name, reply_run.began, how)
            self.outcomes.ended(how)
        except AgentProcessLost as lost:
            catalog.observe_run(reply_run.agent.name, reply_run.began, "process_lost")
            self.outcomes.ended("process_lost")
            if lost.with_others or claim.attempt < MOST_ATTEMPTS:
                return Left("process_lost")
            reason = f"it ended the process that it ran in alone, at attempt {claim.attempt}"
            return await self._dead_letter(running, state, reason)
        if isinstance(outcome, Stop):
            return self._stopped(running, state, outcome, reply_run)
        if outcome == "timed_out" and reply_run.was_killed and placement != "configured":
            await self._retrying_store.dead_letter(claim, "it froze the process that it ran in, until that was killed")
        after = reply_run.state if outcome == "replied" else None
        return self._to_commit(running, state, after, outcomes.record_of_run(running, outcome))

    def _stopped(
        self, running: RunningTurn, state: ConversationState, stop: Stop, reply_run: ReplyRun | None
    ) -> CommitAttempt | Left:
        if stop.reason == "lost" or stop.reason == "released":
            return Left(stop.reason)
        record, after = outcomes.record_of_run(running, "interrupted", stop), None
        # What the agents did until then holds, but words that were merged into the next turn are run again there.
        if reply_run is not None and stop.reason != "merged":
            after = reply_run.state_when_stopped(len(hand_offs(record.reply.actions)))
        return self._to_commit(running, state, after, record)

    async def _dead_letter(self, running: RunningTurn, state: ConversationState | None, reason: str) -> CommitAttempt:
        running.reason, running.error_type = reason, "dead_letter"
        await self._retrying_store.dead_letter(running.claim, reason)
        return self._to_commit(running, state, None, outcomes.record_of_run(running, "failed"))

    def _to_commit(
        self,
        running: RunningTurn,
        state: ConversationState | None,
        after: ConversationState | None,
        record: TurnRecord,
    ) -> CommitAttempt:
        if state is not None:
            speaker = self._agent_of(running.claim)
            if running.reply_run is not None and hand_offs(record.reply.actions):
                record.agent, record.phases = state.agent, running.reply_run.phases
                speaker = running.reply_run.agent
            record.overlap = overlap_policy(running.claim, speaker)
        return CommitAttempt(state, after, record)
