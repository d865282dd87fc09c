"""One turn while it runs: the text so far, and the means to stop it."""

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
    """Why a running turn was stopped; `heard` is what the caller heard of it, when that is known."""

    reason: StopReason
    heard: str | None = None


@dataclass(slots=True)
class RunningTurn:
    """A claimed turn and its reply as it grows. `stopped` is set once, by whoever stops it first.

    `first_word_at` and `reason` are those of its record.
    """

    claim: Claim
    reply: Reply = field(default_factory=Reply)
    first_word_at: datetime | None = None
    reason: str = ""
    stopped: "asyncio.Future[Stop]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def speak(self, words: str) -> None:
        """Add what the agent says, and note when its first word goes out."""
        if self.claim.streamed and self.first_word_at is None and words.strip():
            self.first_word_at = utc_now()
        self.reply.text += words

    def stop(self, reason: StopReason, heard: str | None = None) -> None:
        """Stop the turn; a second stop changes nothing."""
        if not self.stopped.done():
            self.stopped.set_result(Stop(reason, heard))
