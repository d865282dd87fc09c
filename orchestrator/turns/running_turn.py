"""One turn while it runs: its reply so far, and how to stop it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from orchestrator import clock
from orchestrator.agents.reply_run import ReplyRun
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.timings import CLAIMED, COMMITTED, FINISHED, FIRST_TOKEN, Timings, timings_of
from orchestrator.tracing.spans import NO_SPAN, RunSpan
from orchestrator.turns.sensitive_run import SensitiveRun
from orchestrator.turns.store import Claim

StopReason = Literal["interrupted", "ended", "merged", "lost", "released"]


@dataclass(slots=True)
class Stop:
    """Why a running turn was stopped.

    - `interrupted`: the caller interrupted the reply; `heard` is what they heard of it, if that is known;
    - `ended`: the call has ended;
    - `merged`: more words of the caller came before the agent said anything, and are answered together;
    - `lost`: another worker was granted the lease;
    - `released`: this process drains.
    """

    reason: StopReason
    heard: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A turn that this process has not answered and returns to the store.

    - `lost`: another worker was granted its lease;
    - `released`: this process drains;
    - `process_lost`: the process that ran the agent has ended, and another attempt is allowed;
    - `unreadable`: this version cannot read the state of the call;
    - `key_missing`: this process lacks the key under which the state is encrypted, and another may have it;
    - `unknown_agent`: this process does not know the agent that has the call.
    """

    reason: Literal["lost", "released", "process_lost", "unreadable", "key_missing", "unknown_agent"]


@dataclass(slots=True)
class RunningTurn:
    """A claimed turn and its reply so far. `stopped` is set by the first call of `stop`.

    `first_word_at`, `reason` and `timings` go into its record. `first_token_at` is when the agent's first part came,
    `finished_at` when the agent ended (Unix seconds). `reply_run` runs the agents. `error_type` is the class of the
    error that made it fail. `sensitive` opens and hides what sensitive turns of the call brought, if any has.
    """

    claim: Claim
    reply: Reply = field(default_factory=Reply)
    first_word_at: datetime | None = None
    first_token_at: float | None = None
    finished_at: float | None = None
    reply_run: ReplyRun | None = None
    reason: str = ""
    error_type: str = ""
    sensitive: "SensitiveRun | None" = None
    span: RunSpan = NO_SPAN
    stopped: "asyncio.Future[Stop]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def speak(self, words: str) -> None:
        """Add `words` to the reply. Note when the first word of a streamed reply is sent."""
        if self.claim.streamed and self.first_word_at is None and words.strip():
            self.first_word_at = clock.utc_now()
        self.reply.text += words

    def timings(self) -> Timings:
        """Return when the turn has reached each stage, if it is committed now."""
        claim = self.claim
        return timings_of(
            claim.turn.received_at.timestamp(),
            claim.turn.submitted_ms,
            (CLAIMED, claim.claimed_at),
            (FIRST_TOKEN, self.first_token_at),
            (FINISHED, self.finished_at),
            (COMMITTED, clock.now()),
        )

    def stop(self, reason: StopReason, heard: str | None = None) -> None:
        """Stop the turn. A second stop changes nothing."""
        if not self.stopped.done():
            self.stopped.set_result(Stop(reason, heard))
