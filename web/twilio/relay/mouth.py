"""Says the replies of one session, one after the other, as they are produced."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from orchestrator import error_logging
from orchestrator.conversation.actions import Action, Gather, HangUp, InlineAction, SetLanguage, SetSpeech, Transfer
from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import PendingReply
from orchestrator.tasks import cancel_and_wait
from web.twilio.relay import outbound
from web.twilio.relay.hearing import SpeakingClock
from web.twilio.relay.line import Line, LineLost
from web.twilio.relay.speech import Speech, heard_of
from web.twilio.relay.tally import Tally

logger = logging.getLogger(__name__)

VERDICT_SECONDS = 0.15
"""How long a reply holds its tokens back when what the caller has said was handed over: by then an agent that gives way
has given way."""
LONGEST_VERDICT_SECONDS = 2.0
"""Where handing it over took longer, the store is slow, and the verdict takes as long; but no longer than this."""
LINGER_SECONDS = 60.0
GIVES_WAY = "interrupt"
"""The overlap policy of an agent whose reply is not gone on with when its caller speaks."""
LOOK_SECONDS = 2.0
"""A reply that has been silent for so long is looked after: its store may have gone away."""


LookAfter = Callable[[Speech, float], Awaitable[None]]


class Mouth:
    """Sends the text and actions of speeches, in order.

    `look_after` is told of a speech that is silent, and for how many seconds; `done` gets each result. `fault` is
    called when the line is lost or something unforeseen happened. `tally` counts what is said.
    """

    def __init__(
        self,
        line: Line,
        *,
        look_after: LookAfter,
        done: Callable[[Speech, TurnResult], None],
        fault: Callable[[], None],
        tally: Tally | None = None,
    ) -> None:
        self.clock = SpeakingClock()
        self.latest: Speech | None = None
        """The speech whose words the caller hears, or heard last."""
        self.has_left = False
        """Whether the end of the session was sent."""
        self._line = line
        self._look_after = look_after
        self._done = done
        self._fault = fault
        self._tally = tally or Tally(None, "")
        self._speeches: deque[Speech] = deque()
        self._current: Speech | None = None
        self._task: asyncio.Task[None] | None = None
        self._undecided = 0
        self._undecided_since = 0.0
        self._overlap: str | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is being said, will be, or can still be heard."""
        return self._task is None and not self._speeches and not self.clock.seconds_left

    def speak(self, speech: Speech) -> None:
        """Say this after what is being said."""
        if self._undecided:
            speech.held_until = math.inf
            self._overtake(speech)
        self._speeches.append(speech)
        if self._task is None:
            self._next()

    def hold(self) -> None:
        """The caller has spoken: send no token of what was begun before until it is known whether it gives way."""
        if not self._undecided:
            self._undecided_since = time.monotonic()
        self._undecided += 1
        self._hold_until(math.inf)
        for speech in self._waiting:
            self._overtake(speech)

    def unfinished(self) -> dict[str, str]:
        """What has been said so far of each reply over which the caller has spoken, by the turn that it answers."""
        return {speech.turn_id: speech.prefix + speech.said for speech in self._waiting if speech.is_overtaken}

    def decide(self) -> None:
        """What was said then is where it belongs: what gives way to it does so now."""
        self._undecided -= 1
        if not self._undecided:
            now = time.monotonic()
            took = min(now - self._undecided_since, LONGEST_VERDICT_SECONDS)
            self._hold_until(now + max(VERDICT_SECONDS, took))

    def cut(self, heard: str) -> Speech | None:
        """The caller has interrupted an utterance of which they `heard` this: nothing more of what they hear is sent.
        The speech that was cut off.

        What the reply has decided stays decided: if it ends the session, that is done at once.
        """
        cut, unspoken = self.latest, self.clock.unspoken
        self.clock.silent()
        if cut is not None and not cut.heard:
            cut.heard = heard_of(cut, heard, unspoken)
        if cut is not None and cut is self._current and cut.leaving is None and self._task is not None:
            self._task.cancel()
            self._tally.answered(cut)
        return cut

    async def leave(self, action: Action) -> None:
        """End the session when everything before has been spoken. Raises `LineLost`."""
        if self.has_left:
            return
        self.has_left = True
        while left := self.clock.seconds_left:
            await asyncio.sleep(min(left, 0.05))
        await self._line.send(outbound.end(action))
        self._line.linger(LINGER_SECONDS)

    async def farewell(self, text: str) -> None:
        """The call is over: hang up after what is being said, and with these words if that does not end it. Raises
        `LineLost`."""
        while self._task is not None and not self.has_left:
            await asyncio.wait({self._task})
        if not self.has_left:
            await self.say(text)
            await self.leave(HangUp())

    async def say(self, text: str) -> None:
        """Say something that is no reply. Raises `LineLost`."""
        self.clock.begun()
        self.clock.sent(text)
        await self._line.send(*outbound.tokens(text), outbound.text("", is_last=True))

    async def close(self) -> None:
        """Fall silent."""
        self._speeches.clear()
        await cancel_and_wait(self._task, seconds=1)

    @property
    def _waiting(self) -> list[Speech]:
        """What is being said, and what comes after it."""
        return [*filter(None, (self._current, *self._speeches))]

    def _hold_until(self, moment: float) -> None:
        for speech in self._waiting:
            speech.held_until = moment

    @staticmethod
    def _overtake(speech: Speech) -> None:
        """The caller speaks before the end of it, unless it is the greeting of a call that has begun here: that answers
        nothing they have said."""
        speech.is_overtaken = speech.turn is None or speech.turn.kind != "started"

    def _next(self) -> None:
        self._current = self._speeches.popleft()
        self._task = asyncio.create_task(self._speak(self._current), name=f"speak {self._current.turn_id}")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = self._current = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, LineLost):
                extra = {"action": "relay.failed"}
                error_logging.log(logging.ERROR, logger, "A reply could not be said: %s", error=error, extra=extra)
            self._speeches.clear()
            self._fault()
        elif self._speeches:
            self._next()

    async def _speak(self, speech: Speech) -> None:
        await self._say_text(speech)
        result = speech.pending.result
        assert result is not None, "tokens end with the result"
        self._overlap = result.overlap or self._overlap
        self._done(speech, result)
        self._tally.answered(speech)
        await self._end_utterance(speech)
        if result.outcome in ("interrupted", "dropped") or self._gives_way(speech):
            return
        if not speech.said and not speech.done and speech.turn is not None and speech.turn.kind != "interrupted":
            await self._line.send(outbound.text("", is_last=True))
        await self._finish(speech, result.reply.actions)

    async def say_rest(self, speech: Speech, parts: Iterable[str | InlineAction], actions: Iterable[Action]) -> None:
        """Say and do what is left of a reply, now. Raises `LineLost`."""
        for part in parts:
            await self._perform(speech, part)
        await self._end_utterance(speech)
        self._tally.repeated(speech)
        await self._finish(speech, actions)

    async def _finish(self, speech: Speech, actions: Iterable[Action]) -> None:
        """Carry out those of a reply's actions that wait for the end of its text."""
        for action in actions:
            if isinstance(action, HangUp | Transfer):
                speech.leaving = action
                await self.leave(action)
                return
            if isinstance(action, Gather) and (frame := outbound.action_frame(action)) is not None:
                await self._line.send(frame)

    async def _say_text(self, speech: Speech) -> None:
        """Say the reply to its end, or until it gives way."""
        while not await self._say_parts(speech, speech.pending):
            pass

    async def _say_parts(self, speech: Speech, pending: PendingReply) -> bool:
        """Whether `pending` was said as far as it goes; False when another one has taken its place."""
        parts = pending.parts(speech.said, speech.done)
        coming: asyncio.Future[str | InlineAction | None] | None = None
        try:
            while speech.pending is pending:
                # A wait that is cancelled would end the iterator, and with it what it knows of an earlier run.
                coming = coming or asyncio.ensure_future(anext(parts, None))
                done, _ = await asyncio.wait({coming}, timeout=LOOK_SECONDS)
                if not done:
                    await self._look_after(speech, time.monotonic() - speech.since)
                    continue
                part, coming = coming.result(), None
                await self._verdict(speech)
                if part is None:
                    return True
                if speech.pending is not pending:
                    return False
                if not self._gives_way(speech) or isinstance(part, SetLanguage):  # which holds for all that follows
                    await self._perform(speech, part)
        finally:
            await cancel_and_wait(coming)
        return False

    async def _perform(self, speech: Speech, part: str | InlineAction) -> None:
        speech.since = time.monotonic()
        if isinstance(part, str):
            await self._utter(speech, part)
            return
        speech.done += 1
        await self._end_utterance(speech)  # so that what is done comes after all that was said before, and not amid it
        if isinstance(part, SetSpeech):
            speech.manner = part
        elif (frame := outbound.action_frame(part)) is not None:
            await self._line.send(frame)

    async def _utter(self, speech: Speech, text: str) -> None:
        self.latest = speech
        if not speech.is_open:
            speech.is_open = True
            speech.begins.append(len(speech.said))
            self.clock.begun()
        self.clock.sent(text)
        speech.said += text
        await self._line.send(*outbound.tokens(text, speech=speech.manner))
        self._tally.first_word(speech)

    async def _end_utterance(self, speech: Speech) -> None:
        if speech.is_open:
            speech.is_open = False
            await self._line.send(outbound.text("", is_last=True, speech=speech.manner))

    async def _verdict(self, speech: Speech) -> None:
        """Wait until it is known whether the speech gives way to what was said since; not for ever, unless the agent is
        known to give way: then its worker may merely not have heard of it."""
        while speech.pending.result is None and (left := speech.held_until - time.monotonic()) > 0:
            await speech.pending.wait(min(left, VERDICT_SECONDS))
        pending = speech.pending
        while speech.is_overtaken and self._overlap == GIVES_WAY and pending is speech.pending:
            if pending.result is not None or await pending.wait(LOOK_SECONDS) is not None:
                return
            await self._look_after(speech, time.monotonic() - speech.since)

    @staticmethod
    def _gives_way(speech: Speech) -> bool:
        """Whether nothing more of it is said: it was stopped, or its caller has spoken before its end, for an agent
        that does not want it heard then. Whoever is hung up, or handed over, is told so in any case."""
        result = speech.pending.result
        if result is None or result.outcome == "interrupted":
            return result is not None
        return speech.is_overtaken and result.overlap == GIVES_WAY and not result.reply.leaves
