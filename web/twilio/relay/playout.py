"""Speaks the replies of one session, one after the other, as they are produced."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing

from orchestrator import error_logging
from orchestrator.conversation.actions import LEAVING_ACTIONS, Action, Gather, HangUp, SetLanguage, SetSpeech
from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.dispatcher import PendingReply
from orchestrator.tasks import cancel_and_wait
from web.twilio.relay import outbound_frames
from web.twilio.relay.connection import ConnectionLost, RelayConnection
from web.twilio.relay.output_gate import OutputGate
from web.twilio.relay.playout_clock import PlayoutClock
from web.twilio.relay.relay_voice import RelayVoice, hands_over_only
from web.twilio.relay.reply_metrics import ReplyMetrics
from web.twilio.relay.spoken_reply import Part, SpokenReply

logger = logging.getLogger(__name__)

CLOSE_GRACE_SECONDS = 60.0
"""How long the provider may take to close the socket after the end of the session."""
INTERRUPT_POLICY = "interrupt"
"""The overlap policy of an agent whose reply stops when its caller speaks."""

Replace = Callable[[SpokenReply], Awaitable[PendingReply | None]]


class Playout:
    """Sends the text and the actions of replies, in order.

    - `replace` is awaited for a reply that has stalled for `stall_seconds`. It returns the one to take instead, if any.
    - `on_result` gets the result of each reply whose text was sent.
    - `on_error` is called when the connection is lost, or after an unforeseen error.
    - `voice` is what the provider speaks with. `metrics` counts the replies, `gate` pauses the output.
    """

    def __init__(
        self,
        connection: RelayConnection,
        *,
        replace: Replace,
        on_result: Callable[[TurnResult], None],
        on_error: Callable[[], None],
        stall_seconds: float,
        voice: RelayVoice | None = None,
        metrics: ReplyMetrics | None = None,
        gate: OutputGate | None = None,
    ) -> None:
        self.clock = PlayoutClock()
        self.has_ended_session = False
        """True once the frame that ends the session was sent, or is about to be."""
        self.voice = voice or RelayVoice()
        self._connection = connection
        self._replace = replace
        self._on_result = on_result
        self._on_error = on_error
        self._stall_seconds = stall_seconds
        self._metrics = metrics or ReplyMetrics(None, "")
        self._gate = gate or OutputGate()
        self._queue: deque[SpokenReply] = deque()
        self._current: SpokenReply | None = None
        self._latest: SpokenReply | None = None  # the reply that the caller hears, or heard last
        self._task: asyncio.Task[None] | None = None
        self._overlap: str | None = None

    @property
    def is_idle(self) -> bool:
        """True if nothing is being said or waits to be said, and the caller has heard all of it, by estimate."""
        return not self.is_speaking and not self.clock.seconds_left

    @property
    def is_speaking(self) -> bool:
        """True if a reply is being sent, or waits for its first words."""
        return self._task is not None or bool(self._queue)

    def enqueue(self, reply: SpokenReply) -> None:
        """Speak this reply after those before it."""
        reply.is_gated = self._gate.is_paused
        self._queue.append(reply)
        if self._task is None:
            self._start_next()

    def pause(self) -> None:
        """Pause output: the caller spoke, and we do not know yet whether the current replies will be interrupted."""
        self._gate.pause()
        for reply in self._unfinished:
            reply.is_gated = True

    def resume(self) -> None:
        """Continue output after the grace time: the caller's words are stored, or will not be."""
        self._gate.resume()

    def unfinished_texts(self) -> dict[str, str]:
        """Return what was said so far of each reply that the caller has talked over, by the id of its turn."""
        return {reply.turn_id: reply.prefix + reply.said for reply in self._unfinished if reply.is_talked_over}

    def interrupt(self, heard: str) -> SpokenReply | None:
        """Stop the reply that the caller hears, of whose current utterance they have `heard` this. Return the reply.

        If the reply has reached its ending (a hang-up or a transfer), that is carried out at once.
        """
        reply, open_utterances = self._latest, self.clock.open_utterances
        self.clock.all_spoken()
        if reply is not None and not reply.heard:
            reply.heard = reply.heard_text(heard, open_utterances)
            self.voice.cut_off(reply)
        if reply is not None and reply is self._current and reply.ending is None and self._task is not None:
            self._task.cancel()
            self._metrics.answered(reply)
        return reply

    def speech_begun(self) -> None:
        """Note that the provider begins to speak an utterance."""
        if (reply := self.clock.utterance_heard()) is not None:
            self._metrics.speech_begun(reply)

    async def end_session(self, action: Action, turn_id: str = "") -> None:
        """End the session, with `action` of the reply to that turn, when everything before has been spoken.

        Raises `ConnectionLost`.
        """
        if self.has_ended_session:
            return
        self.has_ended_session = True
        while left := self.clock.seconds_left:
            await asyncio.sleep(min(left, 0.05))
        await self._connection.send(outbound_frames.end(action, turn_id))
        self._connection.close_after(CLOSE_GRACE_SECONDS)

    async def hang_up(self, text: str) -> None:
        """Hang up after what is being said; if that does not end the session itself, say `text` first.

        Raises `ConnectionLost`.
        """
        while self._task is not None and not self.has_ended_session:
            await asyncio.wait({self._task})
        if not self.has_ended_session:
            await self.say(text)
            await self.end_session(HangUp())

    async def say(self, text: str) -> None:
        """Say something that is not a reply, at once. Raises `ConnectionLost`."""
        self.clock.utterance_begun()
        self.clock.sent(text)
        await self._connection.send(*outbound_frames.tokens(text), outbound_frames.text("", is_last=True))

    async def say_rest(self, reply: SpokenReply, parts: Iterable[Part], actions: Iterable[Action]) -> None:
        """Say and do what is left of an earlier session's reply, at once. Raises `ConnectionLost`."""
        for part in parts:
            await self._send_part(reply, part)
        await self._end_utterance(reply)
        self._metrics.resumed(reply)
        await self._carry_out(reply, actions)

    async def close(self) -> None:
        """Stop speaking, and drop the replies that wait."""
        self._drop_waiting()
        await cancel_and_wait(self._task, seconds=1)

    def _drop_waiting(self) -> None:
        for reply in self._queue:
            reply.end_trace()
        self._queue.clear()

    @property
    def _unfinished(self) -> list[SpokenReply]:
        """Return the reply that is being sent, and those that wait."""
        return [*filter(None, (self._current, *self._queue))]

    def _start_next(self) -> None:
        self._current = self._queue.popleft()
        self._task = asyncio.create_task(self._speak(self._current), name=f"speak {self._current.turn_id}")
        self._task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        if self._current is not None:
            self._current.end_trace()
        self._task = self._current = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, ConnectionLost):
                extra = {"action": "relay.failed"}
                error_logging.log(logging.ERROR, logger, "A reply could not be spoken: %s", error=error, extra=extra)
            self._drop_waiting()
            self._on_error()
        elif self._queue:
            self._start_next()

    async def _speak(self, reply: SpokenReply) -> None:
        async with aclosing(reply.parts(self._check_stalled, self._stall_seconds)) as parts:
            async for part in parts:
                if await self._may_send(reply, part):
                    await self._send_part(reply, part)
        result = reply.pending.result
        assert result is not None, "parts end with the result"
        self._overlap = result.overlap or self._overlap
        self._on_result(result)
        self.voice.finished(reply, result.reply)
        self._metrics.answered(reply)
        await self._end_utterance(reply)
        if result.outcome in ("interrupted", "dropped") or self._was_interrupted(reply):
            return
        is_empty = not reply.said and (not reply.actions_done or hands_over_only(result.reply.actions))
        if is_empty and reply.turn is not None and reply.turn.kind != "interrupted":
            await self._connection.send(outbound_frames.text("", is_last=True))
        await self._carry_out(reply, result.reply.actions)

    async def _may_send(self, reply: SpokenReply, part: Part) -> bool:
        """Wait until the output is not paused. True if the part is to be sent.

        It is not if the reply it comes from was replaced meanwhile, or the agent was interrupted. A language is set
        even then, because it applies to what follows.
        """
        pending = reply.pending
        await self._wait_until_clear(reply)
        return reply.pending is pending and (not self._was_interrupted(reply) or isinstance(part, SetLanguage))

    async def _wait_until_clear(self, reply: SpokenReply) -> None:
        """Wait until it is known whether the reply is interrupted by what the caller has said since.

        That takes the gate's time at most, unless the agent is known to stop when its caller speaks. Then wait for the
        result: the worker may merely not know of the words yet.
        """
        if not reply.is_gated:
            return
        await self._gate.wait_clear(reply.pending)
        pending = reply.pending
        while reply.is_talked_over and self._overlap == INTERRUPT_POLICY and reply.pending is pending:
            if pending.result is not None or await pending.wait(self._stall_seconds) is not None:
                return
            await self._check_stalled(reply)

    async def _check_stalled(self, reply: SpokenReply) -> None:
        replacement = await self._replace(reply)
        if replacement is not None:
            reply.pending = replacement

    @staticmethod
    def _was_interrupted(reply: SpokenReply) -> bool:
        """True if nothing more of the reply is said: its run was stopped, or the caller talked over a finished reply.

        The latter counts only for an agent that stops when its caller speaks. A reply that hangs up or transfers is
        said in any case, so that the caller knows what happens.
        """
        result = reply.pending.result
        if result is None or result.outcome == "interrupted":
            return result is not None
        return reply.is_talked_over and result.overlap == INTERRUPT_POLICY and not result.reply.leaves

    async def _send_part(self, reply: SpokenReply, part: Part) -> None:
        reply.last_part_at = time.monotonic()
        if isinstance(part, str):
            await self._send_text(reply, part)
            return
        reply.actions_done += 1
        await self._end_utterance(reply)  # so that the action follows all that was said before it
        if isinstance(part, SetSpeech):
            reply.speech_options = part
        elif (frame := self.voice.frame(part, reply)) is not None:
            await self._connection.send(frame)

    async def _send_text(self, reply: SpokenReply, text: str) -> None:
        self._latest = reply
        if (frame := self.voice.take_due()) is not None:
            await self._connection.send(frame)
        if not reply.is_open:
            reply.is_open = True
            reply.utterances.append(len(reply.said))
            self.clock.utterance_begun(reply)
        self.clock.sent(text)
        reply.note_first_words()
        reply.said += text
        await self._connection.send(*outbound_frames.tokens(text, options=reply.speech_options))
        self._metrics.words_sent(reply)

    async def _end_utterance(self, reply: SpokenReply) -> None:
        if reply.is_open:
            reply.is_open = False
            await self._connection.send(outbound_frames.text("", is_last=True, options=reply.speech_options))

    async def _carry_out(self, reply: SpokenReply, actions: Iterable[Action]) -> None:
        """Carry out those of a reply's actions that wait for the end of its text."""
        for action in actions:
            if isinstance(action, LEAVING_ACTIONS):
                reply.ending = action
                await self.end_session(action, reply.turn_id)
                return
            if isinstance(action, Gather) and (frame := outbound_frames.action_frame(action)) is not None:
                await self._connection.send(frame)
