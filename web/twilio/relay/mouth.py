"""Says the replies of one session, one after the other, as they are produced."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orchestrator.conversation.actions import Action, HangUp, Transfer
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.dispatcher import PendingReply
from web.twilio.relay import outbound
from web.twilio.relay.hearing import SpeakingClock
from web.twilio.relay.line import Line, LineLost

logger = logging.getLogger(__name__)

VERDICT_SECONDS = 0.15
"""How long a reply holds its tokens back when the caller has spoken: by then an agent that gives way has given way."""
LINGER_SECONDS = 60.0
LOOK_SECONDS = 2.0
"""A reply that has been silent for so long is looked after: its store may have gone away."""


@dataclass(eq=False)
class Speech:
    """A reply that is to be said. `said` is what was sent; `turn` is None if another session
    handed it over; `prefix` was heard before, over another line. `held_until` is on the monotonic clock."""

    turn_id: str
    pending: PendingReply
    turn: Turn | None = None
    prefix: str = ""
    said: str = ""
    leaving: Action | None = None
    held_until: float = 0.0
    since: float = field(default_factory=time.monotonic)


LookAfter = Callable[[Speech, float], Awaitable[None]]


class Mouth:
    """Sends the text and actions of speeches, in order.

    `look_after` is told of a speech that is silent, and for how many seconds; `done` gets each result. `fault` is
    called when the line is lost or something unforeseen happened.
    """

    def __init__(
        self,
        line: Line,
        *,
        look_after: LookAfter,
        done: Callable[[Speech, TurnResult], None],
        fault: Callable[[], None],
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
        self._speeches: deque[Speech] = deque()
        self._current: Speech | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is being said, will be, or can still be heard."""
        return self._task is None and not self._speeches and not self.clock.seconds_left

    def speak(self, speech: Speech) -> None:
        """Say this after what is being said."""
        self._speeches.append(speech)
        if self._task is None:
            self._next()

    def hold(self) -> None:
        """The caller has spoken: send no token of what was begun before until it is known whether it gives way."""
        for speech in filter(None, (self._current, *self._speeches)):
            speech.held_until = time.monotonic() + VERDICT_SECONDS

    def cut(self) -> Speech | None:
        """The caller has interrupted: nothing more of what they hear is sent. The speech that was cut off.

        What the reply has decided stays decided: if it ends the session, that is done at once.
        """
        self.clock.silent()
        cut = self.latest
        if cut is not None and cut is self._current and cut.leaving is None and self._task is not None:
            self._task.cancel()
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

    async def say(self, text: str) -> None:
        """Say something that is no reply. Raises `LineLost`."""
        self.clock.begun()
        self.clock.sent(text)
        await self._line.send(*outbound.tokens(text), outbound.text("", is_last=True))

    async def close(self) -> None:
        """Fall silent."""
        self._speeches.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)

    def _next(self) -> None:
        self._current = self._speeches.popleft()
        self._task = asyncio.create_task(self._speak(self._current), name=f"speak {self._current.turn_id}")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = self._current = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, LineLost):
                logger.error("A reply could not be said", exc_info=error, extra={"action": "relay.failed"})
            self._speeches.clear()
            self._fault()
        elif self._speeches:
            self._next()

    async def _speak(self, speech: Speech) -> None:
        await self._say_text(speech)
        result = speech.pending.result
        assert result is not None, "tokens end with the result"
        self._done(speech, result)
        if result.outcome in ("interrupted", "dropped"):
            if speech.said:
                await self._line.send(outbound.text("", is_last=True))
            return
        if speech.said or (speech.turn is not None and speech.turn.kind != "interrupted"):
            await self._line.send(outbound.text("", is_last=True))
        await self.act(speech, result.reply.actions)

    async def act(self, speech: Speech, actions: list[Action]) -> None:
        """Carry out actions in order. Raises `LineLost`."""
        for action in actions:
            if isinstance(action, HangUp | Transfer):
                speech.leaving = action
                await self.leave(action)
                return
            if (frame := outbound.deed(action)) is not None:
                await self._line.send(frame)

    async def _say_text(self, speech: Speech) -> None:
        """Say the reply to its end, or until it gives way."""
        while not await self._say_tokens(speech, speech.pending):
            pass

    async def _say_tokens(self, speech: Speech, pending: PendingReply) -> bool:
        """Whether `pending` was said as far as it goes; False when another one has taken its place."""
        tokens, fresh = pending.tokens(), _Fresh(speech.said)
        coming: asyncio.Future[str | None] | None = None
        try:
            while speech.pending is pending:
                # A wait that is cancelled would end the iterator, and with it what it knows of an earlier run.
                coming = coming or asyncio.ensure_future(anext(tokens, None))
                done, _ = await asyncio.wait({coming}, timeout=LOOK_SECONDS)
                if not done:
                    await self._look_after(speech, time.monotonic() - speech.since)
                    continue
                token, coming = coming.result(), None
                await self._verdict(speech)
                if token is None or self._gives_way(speech):
                    return True
                if text := fresh.of(token):
                    await self._send(speech, text)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
        return False

    async def _send(self, speech: Speech, fresh: str) -> None:
        self.latest, speech.since = speech, time.monotonic()
        if not speech.said:
            self.clock.begun()
        self.clock.sent(fresh)
        speech.said += fresh
        await self._line.send(*outbound.tokens(fresh))

    @staticmethod
    async def _verdict(speech: Speech) -> None:
        while speech.pending.result is None and (left := speech.held_until - time.monotonic()) > 0:
            await speech.pending.wait(left)

    @staticmethod
    def _gives_way(speech: Speech) -> bool:
        result = speech.pending.result
        return result is not None and result.outcome == "interrupted"


class _Fresh:
    """Leaves out of a reply's tokens what was said `before`. A reply that says something else is said as a whole."""

    def __init__(self, before: str) -> None:
        self._before = before
        self._given = ""

    def of(self, token: str) -> str:
        """What of this token is to be said."""
        if not self._before:
            return token
        self._given += token
        if self._before.startswith(self._given):
            return ""
        same = self._given.startswith(self._before)
        fresh = self._given[len(self._before) :] if same else f" {self._given}"
        self._before = ""
        return fresh
