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
from web.twilio.relay import outbound_frames
from web.twilio.relay.connection import ConnectionLost, RelayConnection
from web.twilio.relay.playout_clock import PlayoutClock
from web.twilio.relay.reply_metrics import ReplyMetrics
from web.twilio.relay.spoken_reply import SpokenReply, heard_of

logger = logging.getLogger(__name__)

INTERRUPT_GRACE_SECONDS = 0.15
"""How long a reply holds its tokens back when what the caller has said was handed over: by then an agent that gives way
has given way."""
MAX_INTERRUPT_GRACE_SECONDS = 2.0
"""Where handing it over took longer, the store is slow, and the verdict takes as long; but no longer than this."""
CLOSE_GRACE_SECONDS = 60.0
INTERRUPT_POLICY = "interrupt"
"""The overlap policy of an agent whose reply is not gone on with when its caller speaks."""
LOOK_SECONDS = 2.0
"""A reply that has been silent for so long is looked after: its store may have gone away."""


LookAfter = Callable[[SpokenReply, float], Awaitable[None]]


class Playout:
    """Sends the text and actions of speeches, in order.

    `look_after` is told of a reply that is silent, and for how many seconds; `done` gets each result. `fault` is
    called when the connection is lost or something unforeseen happened. `metrics` counts what is said.
    """

    def __init__(
        self,
        connection: RelayConnection,
        *,
        look_after: LookAfter,
        done: Callable[[SpokenReply, TurnResult], None],
        fault: Callable[[], None],
        metrics: ReplyMetrics | None = None,
    ) -> None:
        self.clock = PlayoutClock()
        self.latest: SpokenReply | None = None
        """The reply whose words the caller hears, or heard last."""
        self.has_left = False
        """Whether the end of the session was sent."""
        self._connection = connection
        self._look_after = look_after
        self._done = done
        self._fault = fault
        self._metrics = metrics or ReplyMetrics(None, "")
        self._speeches: deque[SpokenReply] = deque()
        self._current: SpokenReply | None = None
        self._task: asyncio.Task[None] | None = None
        self._pauses = 0
        self._paused_since = 0.0
        self._overlap: str | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is being said, will be, or can still be heard."""
        return self._task is None and not self._speeches and not self.clock.seconds_left

    def speak(self, reply: SpokenReply) -> None:
        """Say this after what is being said."""
        if self._pauses:
            reply.paused_until = math.inf
            self._overtake(reply)
        self._speeches.append(reply)
        if self._task is None:
            self._next()

    def pause(self) -> None:
        """The caller has spoken: send no token of what was begun before until it is known whether it gives way."""
        if not self._pauses:
            self._paused_since = time.monotonic()
        self._pauses += 1
        self._pause_until(math.inf)
        for reply in self._waiting:
            self._overtake(reply)

    def unfinished(self) -> dict[str, str]:
        """What has been said so far of each reply over which the caller has spoken, by the turn that it answers."""
        return {reply.turn_id: reply.prefix + reply.said for reply in self._waiting if reply.is_overtaken}

    def resume(self) -> None:
        """What was said then is where it belongs: what gives way to it does so now."""
        self._pauses -= 1
        if not self._pauses:
            now = time.monotonic()
            took = min(now - self._paused_since, MAX_INTERRUPT_GRACE_SECONDS)
            self._pause_until(now + max(INTERRUPT_GRACE_SECONDS, took))

    def cut(self, heard: str) -> SpokenReply | None:
        """The caller has interrupted an utterance of which they `heard` this: nothing more of what they hear is sent.
        The reply that was cut off.

        What the reply has decided stays decided: if it ends the session, that is done at once.
        """
        cut, unspoken = self.latest, self.clock.unspoken
        self.clock.silent()
        if cut is not None and not cut.heard:
            cut.heard = heard_of(cut, heard, unspoken)
        if cut is not None and cut is self._current and cut.leaving is None and self._task is not None:
            self._task.cancel()
            self._metrics.answered(cut)
        return cut

    async def leave(self, action: Action) -> None:
        """End the session when everything before has been spoken. Raises `ConnectionLost`."""
        if self.has_left:
            return
        self.has_left = True
        while left := self.clock.seconds_left:
            await asyncio.sleep(min(left, 0.05))
        await self._connection.send(outbound_frames.end(action))
        self._connection.close_after(CLOSE_GRACE_SECONDS)

    async def farewell(self, text: str) -> None:
        """The call is over: hang up after what is being said, and with these words if that does not end it. Raises
        `ConnectionLost`."""
        while self._task is not None and not self.has_left:
            await asyncio.wait({self._task})
        if not self.has_left:
            await self.say(text)
            await self.leave(HangUp())

    async def say(self, text: str) -> None:
        """Say something that is no reply. Raises `ConnectionLost`."""
        self.clock.begun()
        self.clock.sent(text)
        await self._connection.send(*outbound_frames.tokens(text), outbound_frames.text("", is_last=True))

    async def close(self) -> None:
        """Fall silent."""
        self._speeches.clear()
        await cancel_and_wait(self._task, seconds=1)

    @property
    def _waiting(self) -> list[SpokenReply]:
        """What is being said, and what comes after it."""
        return [*filter(None, (self._current, *self._speeches))]

    def _pause_until(self, moment: float) -> None:
        for reply in self._waiting:
            reply.paused_until = moment

    @staticmethod
    def _overtake(reply: SpokenReply) -> None:
        """The caller speaks before the end of it, unless it is the greeting of a call that has begun here: that answers
        nothing they have said."""
        reply.is_overtaken = reply.turn is None or reply.turn.kind != "started"

    def _next(self) -> None:
        self._current = self._speeches.popleft()
        self._task = asyncio.create_task(self._speak(self._current), name=f"speak {self._current.turn_id}")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = self._current = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, ConnectionLost):
                extra = {"action": "relay.failed"}
                error_logging.log(logging.ERROR, logger, "A reply could not be said: %s", error=error, extra=extra)
            self._speeches.clear()
            self._fault()
        elif self._speeches:
            self._next()

    async def _speak(self, reply: SpokenReply) -> None:
        await self._say_text(reply)
        result = reply.pending.result
        assert result is not None, "tokens end with the result"
        self._overlap = result.overlap or self._overlap
        self._done(reply, result)
        self._metrics.answered(reply)
        await self._end_utterance(reply)
        if result.outcome in ("interrupted", "dropped") or self._was_interrupted(reply):
            return
        if not reply.said and not reply.actions_done and reply.turn is not None and reply.turn.kind != "interrupted":
            await self._connection.send(outbound_frames.text("", is_last=True))
        await self._finish(reply, result.reply.actions)

    async def say_rest(
        self, reply: SpokenReply, parts: Iterable[str | InlineAction], actions: Iterable[Action]
    ) -> None:
        """Say and do what is left of a reply, now. Raises `ConnectionLost`."""
        for part in parts:
            await self._perform(reply, part)
        await self._end_utterance(reply)
        self._metrics.repeated(reply)
        await self._finish(reply, actions)

    async def _finish(self, reply: SpokenReply, actions: Iterable[Action]) -> None:
        """Carry out those of a reply's actions that wait for the end of its text."""
        for action in actions:
            if isinstance(action, HangUp | Transfer):
                reply.leaving = action
                await self.leave(action)
                return
            if isinstance(action, Gather) and (frame := outbound_frames.action_frame(action)) is not None:
                await self._connection.send(frame)

    async def _say_text(self, reply: SpokenReply) -> None:
        """Say the reply to its end, or until it gives way."""
        while not await self._say_parts(reply, reply.pending):
            pass

    async def _say_parts(self, reply: SpokenReply, pending: PendingReply) -> bool:
        """Whether `pending` was said as far as it goes; False when another one has taken its place."""
        parts = pending.parts(reply.said, reply.actions_done)
        coming: asyncio.Future[str | InlineAction | None] | None = None
        try:
            while reply.pending is pending:
                # A wait that is cancelled would end the iterator, and with it what it knows of an earlier run.
                coming = coming or asyncio.ensure_future(anext(parts, None))
                done, _ = await asyncio.wait({coming}, timeout=LOOK_SECONDS)
                if not done:
                    await self._look_after(reply, time.monotonic() - reply.since)
                    continue
                part, coming = coming.result(), None
                await self._wait_until_clear(reply)
                if part is None:
                    return True
                if reply.pending is not pending:
                    return False
                if not self._was_interrupted(reply) or isinstance(
                    part, SetLanguage
                ):  # which holds for all that follows
                    await self._perform(reply, part)
        finally:
            await cancel_and_wait(coming)
        return False

    async def _perform(self, reply: SpokenReply, part: str | InlineAction) -> None:
        reply.since = time.monotonic()
        if isinstance(part, str):
            await self._utter(reply, part)
            return
        reply.actions_done += 1
        await self._end_utterance(reply)  # so that what is done comes after all that was said before, and not amid it
        if isinstance(part, SetSpeech):
            reply.speech_options = part
        elif (frame := outbound_frames.action_frame(part)) is not None:
            await self._connection.send(frame)

    async def _utter(self, reply: SpokenReply, text: str) -> None:
        self.latest = reply
        if not reply.is_open:
            reply.is_open = True
            reply.begins.append(len(reply.said))
            self.clock.begun()
        self.clock.sent(text)
        reply.said += text
        await self._connection.send(*outbound_frames.tokens(text, speech=reply.speech_options))
        self._metrics.first_word(reply)

    async def _end_utterance(self, reply: SpokenReply) -> None:
        if reply.is_open:
            reply.is_open = False
            await self._connection.send(outbound_frames.text("", is_last=True, speech=reply.speech_options))

    async def _wait_until_clear(self, reply: SpokenReply) -> None:
        """Wait until it is known whether the reply gives way to what was said since; not for ever, unless the agent is
        known to give way: then its worker may merely not have heard of it."""
        while reply.pending.result is None and (left := reply.paused_until - time.monotonic()) > 0:
            await reply.pending.wait(min(left, INTERRUPT_GRACE_SECONDS))
        pending = reply.pending
        while reply.is_overtaken and self._overlap == INTERRUPT_POLICY and pending is reply.pending:
            if pending.result is not None or await pending.wait(LOOK_SECONDS) is not None:
                return
            await self._look_after(reply, time.monotonic() - reply.since)

    @staticmethod
    def _was_interrupted(reply: SpokenReply) -> bool:
        """Whether nothing more of it is said: it was stopped, or its caller has spoken before its end, for an agent
        that does not want it heard then. Whoever is hung up, or handed over, is told so in any case."""
        result = reply.pending.result
        if result is None or result.outcome == "interrupted":
            return result is not None
        return reply.is_overtaken and result.overlap == INTERRUPT_POLICY and not result.reply.leaves
