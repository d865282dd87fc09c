"""One turn while it runs: its reply so far, and how to stop it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from orchestrator.clock import utc_now
from orchestrator.conversation.reply import Reply
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


@dataclass(slots=True)
class RunningTurn:
    """A claimed turn and its reply so far. `stopped` is set by the first call of `stop`.

    `first_word_at` and `reason` go into its record.
    """

    claim: Claim
    reply: Reply = field(default_factory=Reply)
    first_word_at: datetime | None = None
    reason: str = ""
    stopped: "asyncio.Future[Stop]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def speak(self, words: str) -> None:
        """Add `words` to the reply. Note when the first word of a streamed reply is sent."""
        if self.claim.streamed and self.first_word_at is None and words.strip():
            self.first_word_at = utc_now()
        self.reply.text += words

    def stop(self, reason: StopReason, heard: str | None = None) -> None:
        """Stop the turn. A second stop changes nothing."""
        if not self.stopped.done():
            self.stopped.set_result(Stop(reason, heard))
