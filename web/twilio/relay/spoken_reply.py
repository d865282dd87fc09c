"""One reply as it is spoken over one session: what was sent of it, and what the caller heard."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from orchestrator.conversation.actions import Action, InlineAction, SetSpeech
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.tasks import cancel_and_wait
from web.twilio.relay import outbound_frames

if TYPE_CHECKING:
    from orchestrator.tracing.turn_entry import Entry

Part = str | InlineAction
"""A piece of a reply: words, or an action that is carried out between them."""


@dataclass(eq=False)
class SpokenReply:
    """A reply that is to be spoken, as one utterance or, with inline actions in between, as several.

    - `turn` is None if another session submitted it, or no session.
    - `is_unprompted`: no caller's words began the turn, and this session has not submitted it. `interrupts`: it cuts
      off what was being said.
    - `prefix` is the text that the caller heard before, over an earlier connection.
    - `said` is the text that was sent, and `actions_done` the number of inline actions.
    - `goes_on`: what was said so far, an earlier session has sent. What follows may be another utterance.
    - `utterances` has the positions in `said` where utterances begin. The last one is not ended while `is_open`.
    - `heard` is what the caller heard of the reply when they interrupted it.
    - `ending` is the action that ends the session, once the reply has got that far. `is_complete`: all of the reply was
      sent and carried out.
    - `is_gated` is true once the caller has spoken before the end of the reply.
    - `first_sent_ms` and `first_heard_ms` are after how many milliseconds its first words were sent, and the provider
      began to speak them.
    - `entry` is the traced frame that brought the turn, while traces are on.
    - `last_part_at` is when something was sent last, on the monotonic clock.
    """

    turn_id: str
    pending: PendingReply
    turn: Turn | None = None
    is_unprompted: bool = False
    interrupts: bool = False
    prefix: str = ""
    said: str = ""
    actions_done: int = 0
    utterances: list[int] = field(default_factory=list)
    is_open: bool = False
    goes_on: bool = False
    speech_options: SetSpeech = outbound_frames.PLAIN
    heard: str = ""
    ending: Action | None = None
    is_complete: bool = False
    is_gated: bool = False
    first_sent_ms: float | None = None
    first_heard_ms: float | None = None
    entry: "Entry | None" = None
    last_part_at: float = field(default_factory=time.monotonic)

    def note_first_words(self) -> None:
        """Note in the trace that the first words are sent."""
        if self.entry is not None and not self.said:
            self.entry.event("first words sent")

    def end_trace(self) -> None:
        """End the frame's span: all is sent that will be."""
        if self.entry is not None:
            self.entry.end()

    @property
    def is_untouched(self) -> bool:
        """True if nothing of the reply was sent yet."""
        return not self.said and not self.actions_done and self.ending is None

    @property
    def is_kept_for_later(self) -> bool:
        """True if the caller cannot talk over the reply: it was complete before they spoke, and they heard none of it.

        Only of a reply for which they did not ask: one to their own words is out of date then.
        """
        return self.is_unprompted and self.is_untouched and self.pending.result is not None

    @property
    def may_be_cut_off(self) -> bool:
        """True if the caller spoke before its end. The greeting of a new call does not count: it answers no words."""
        return self.is_gated and (self.turn is None or self.turn.kind != "started")

    @property
    def is_talked_over(self) -> bool:
        """True if the caller spoke before its end, and it was theirs to hear: they had asked for it, or heard some of
        it. Of another, only what its run has come to counts."""
        return self.may_be_cut_off and not (self.is_unprompted and self.is_untouched)

    @property
    def silent_seconds(self) -> float:
        """Return for how many seconds nothing was sent."""
        return time.monotonic() - self.last_part_at

    async def parts(self, on_stalled: "OnStalled", stall_seconds: float) -> AsyncGenerator[Part]:
        """Yield what is left to say and do, as it is produced.

        Awaits `on_stalled` whenever nothing has come for `stall_seconds`. If that replaces `pending`, or the user of
        the parts does, the parts of the new one follow, after what was said and done.
        """
        while True:
            pending = self.pending
            parts = pending.parts(self.said, self.actions_done)
            coming: asyncio.Future[Part | None] | None = None
            try:
                while self.pending is pending:
                    # Cancelling the wait would end the iterator, and lose what it knows of an earlier run of the turn.
                    coming = coming or asyncio.ensure_future(anext(parts, None))
                    if not (await asyncio.wait({coming}, timeout=stall_seconds))[0]:
                        await on_stalled(self)
                        continue
                    part, coming = coming.result(), None
                    if part is None:
                        return
                    yield part
            finally:
                await cancel_and_wait(coming)

    @property
    def _spans(self) -> list[tuple[int, int]]:
        """Return begin and end of each utterance in `said`."""
        return list(pairwise([*self.utterances, len(self.said)])) if self.utterances else []

    def has_utterance(self, beginning: str) -> bool:
        """True if an utterance of the reply begins with this text."""
        start = beginning.strip()
        return bool(start) and any(self.said[begin:end].strip().startswith(start) for begin, end in self._spans)

    def heard_text(self, utterance_heard: str, open_utterances: int) -> str:
        """Return all that the caller heard of the reply when they had heard `utterance_heard` of one utterance.

        It is one of the last `open_utterances`, which the provider has not reported as spoken.
        """
        spoken = min(max(len(self.utterances) - open_utterances, 0), max(len(self.utterances) - 1, 0))
        spans = self._spans[spoken:]
        start = utterance_heard.strip()
        matching = (begin for begin, end in spans if self.said[begin:end].strip().startswith(start))
        begin = next(matching, None)
        if begin is None:
            earlier = (place for place in self.utterances if self.said[place:].strip().startswith(start))
            begin = next(earlier, spans[0][0] if spans else 0)
        return self.prefix + self.said[:begin] + utterance_heard


OnStalled = Callable[[SpokenReply], Awaitable[None]]
"""Checks a reply that has stalled. It may replace the reply's `pending`."""
