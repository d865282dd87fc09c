"""Speaks the replies of one session, one after the other, as they are produced."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from orchestrator import clock, error_logging
from orchestrator.conversation.actions import Action, HangUp
from orchestrator.conversation.reply import TurnResult
from orchestrator.tasks import cancel_and_wait
from web.twilio.relay import outbound_frames
from web.twilio.relay.connection import ConnectionLost, RelayConnection
from web.twilio.relay.output_gate import OutputGate
from web.twilio.relay.playout_clock import PlayoutClock
from web.twilio.relay.relay_voice import RelayVoice
from web.twilio.relay.reply_metrics import ReplyMetrics
from web.twilio.relay.reply_queue import ComesBefore, ReplyQueue
from web.twilio.relay.reply_speaker import Replace, ReplySpeaker
from web.twilio.relay.sent_replies import SentReplies, SentReply
from web.twilio.relay.spoken_reply import Part, SpokenReply
from web.twilio.relay.utterances import Utterances

logger = logging.getLogger(__name__)

MOST_RECENT = 8
"""Of so many replies it is remembered how much was sent."""
CLOSE_GRACE_SECONDS = 60.0
"""How long the provider may take to close the socket after the end of the session."""


class Playout:
    """Sends the text and the actions of replies, in order.

    - `replace` is awaited for a reply that has stalled for `stall_seconds`. It returns the one to take instead, if any.
    - `on_result` gets each reply whose text was sent, with its result.
    - `on_error` is called when the connection is lost, or after an unforeseen error.
    - `nothing_missed` returns once all replies are known that come before those that are to be spoken.
    - `voice` is what the provider speaks with. `metrics` counts the replies, `gate` pauses the output.
    """

    def __init__(
        self,
        connection: RelayConnection,
        *,
        replace: Replace,
        on_result: Callable[[SpokenReply, TurnResult], None],
        on_error: Callable[[], None],
        stall_seconds: float,
        voice: RelayVoice | None = None,
        metrics: ReplyMetrics | None = None,
        gate: OutputGate | None = None,
        nothing_missed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.clock = PlayoutClock()
        self.has_ended_session = False
        """True once the frame that ends the session was sent, or is about to be."""
        self.voice = voice or RelayVoice()
        self._connection = connection
        self._on_error = on_error
        self._metrics = metrics or ReplyMetrics(None, "")
        self._utterances = Utterances(connection, self.clock, self.voice, self._metrics)
        self._gate = gate or OutputGate()
        self._queue = ReplyQueue()
        self._current: SpokenReply | None = None
        self._recent: deque[SpokenReply | SentReply] = deque(maxlen=MOST_RECENT)
        self._cut_off: SpokenReply | None = None  # its utterance is to be ended before the next one begins
        self._task: asyncio.Task[None] | None = None
        self._speaker = ReplySpeaker(
            connection, self._utterances, self.clock, self.voice, self._metrics, self._gate,
            nothing_missed=nothing_missed or _certain, replace=replace,
            on_result=on_result, end_session=self.end_session, stall_seconds=stall_seconds,
        )  # fmt: skip

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
        self.insert(reply, lambda other: False)

    def insert(self, reply: SpokenReply, comes_before: ComesBefore) -> None:
        """Speak this reply before the first one of which nothing was said and that it `comes_before`."""
        reply.is_gated = self._gate.is_paused and not reply.is_kept_for_later
        current, task = self._current, self._task
        if current is not None and current.is_untouched and comes_before(current) and task and not task.done():
            self._current = None
            self._queue.insert(current, lambda other: True)
            task.cancel()
        self._queue.insert(reply, comes_before)
        if self._task is None:
            self._start_next()

    def cut_off(self) -> SpokenReply | None:
        """Stop what is being said, because a turn interrupts it. Return that reply, if not all of it is heard.

        Nothing more of it is sent. The provider speaks what it has, but for text that it lets the next one preempt.
        """
        reply = self._utterances.latest
        if reply is None or reply.heard or reply.ending is not None:
            return None
        is_running = reply is self._current and self._task is not None and not self._task.done()
        if not is_running and not self.clock.seconds_left:
            return None
        heard = reply.prefix + reply.said
        if reply.speech_options.preemptible:
            heard = self.clock.spoken_of(heard)
            self.clock.all_spoken()
        result = reply.pending.result
        if result is not None and heard == result.reply.text:
            return None
        reply.heard = heard
        self.voice.cut_off(reply)
        if is_running and self._task is not None:
            self._cut_off = reply
            self._task.cancel()
            self._metrics.answered(reply)
        return reply

    def pause(self) -> None:
        """Pause output: the caller spoke, and we do not know yet whether the current replies will be interrupted."""
        self._gate.pause()
        for reply in self.unfinished:
            reply.is_gated = reply.is_gated or not reply.is_kept_for_later

    def resume(self) -> None:
        """Continue output after the grace time: the caller's words are stored, or will not be."""
        self._gate.resume()

    def take_unfinished_texts(self) -> dict[str, str]:
        """Return what was said of each reply that the caller has talked over, by the id of its turn: each that has
        ended by that once, as the turn of the caller's words tells it."""
        ended, self._speaker.talked_over = self._speaker.talked_over, []
        replies = (reply for reply in (*ended, *self.unfinished) if reply.is_talked_over)
        return {reply.turn_id: reply.prefix + reply.said for reply in replies}

    def unspoken_ids(self) -> list[str]:
        """Return the ids of the turns for which the caller did not ask and whose replies are still to be spoken."""
        return [reply.turn_id for reply in self.unfinished if reply.is_unprompted and reply.is_untouched]

    def interrupt(self, heard: str) -> SpokenReply | None:
        """Stop the reply that the caller hears, of whose current utterance they have `heard` this. Return the reply.

        If the reply has reached its ending (a hang-up or a transfer), that is carried out at once.
        """
        reply, later = self._interrupted(heard)
        open_utterances = self.clock.open_utterances
        self.clock.all_spoken()
        if reply is not None and not reply.heard:
            reply.heard = reply.heard_text(heard, open_utterances)
            self.voice.cut_off(reply)
        if reply is not None and reply is self._current and reply.ending is None and self._task is not None:
            self._task.cancel()
            self._metrics.answered(reply)
        for dropped in later:
            self._say_again(dropped)
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
        await self.clock.wait_spoken()
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
        await self._utterances.say(text)

    async def say_rest(self, reply: SpokenReply, parts: Iterable[Part], actions: Iterable[Action]) -> None:
        """Say and do what is left of an earlier session's reply, at once. Raises `ConnectionLost`."""
        self._remember(reply)
        for part in parts:
            await self._utterances.send(reply, part)
        await self._utterances.end(reply)
        self._metrics.resumed(reply)
        await self._speaker.carry_out(reply, actions)
        reply.is_complete = True

    @property
    def sent(self) -> SentReplies:
        """Return what was sent of the last replies, for a session that goes on in the place of this one."""
        return SentReplies.of(self._recent, self.clock.seconds_left, clock.now())

    def recall(self, reply: SpokenReply, seconds: float) -> None:
        """Note that the provider still speaks a reply of an earlier session for so long."""
        self._utterances.latest = reply
        self._remember(reply)
        self.clock.speaks(reply, seconds)

    async def close(self) -> None:
        """Stop speaking, and drop the replies that wait."""
        self._queue.clear()
        await cancel_and_wait(self._task, seconds=1)

    @property
    def unfinished(self) -> list[SpokenReply]:
        """Return the reply that is being sent, and those that wait."""
        return [*filter(None, (self._current, *self._queue))]

    def _remember(self, reply: SpokenReply) -> None:
        if reply not in self._recent:
            earlier = [SentReply.of(one) if one.is_complete else one for one in self._recent]  # which is smaller
            self._recent = deque([*earlier, reply], maxlen=MOST_RECENT)

    def _start_next(self) -> None:
        self._current = self._queue.pop()
        self._remember(self._current)
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
            self._queue.clear()
            self._on_error()
        elif self.has_ended_session:
            self._queue.clear()
        elif self._queue:
            self._start_next()

    async def _speak(self, reply: SpokenReply) -> None:
        if self._cut_off is not None:
            cut_off, self._cut_off = self._cut_off, None
            await self._utterances.end(cut_off)
        await self._speaker.speak(reply)

    def _interrupted(self, heard: str) -> tuple[SpokenReply | None, list[SpokenReply]]:
        """Return the reply that the caller hears, and those after it that the provider has and drops."""
        latest, replies = self._utterances.latest, self.clock.replies
        if latest is not None and not latest.has_utterance(heard):
            for place, reply in enumerate(replies):
                if reply.has_utterance(heard):
                    return reply, replies[place + 1 :]
        return latest, []

    def _say_again(self, reply: SpokenReply) -> None:
        """Speak a reply again that the provider has dropped before it was heard; not if the caller asked for it."""
        if reply.is_unprompted and reply.ending is None:
            if reply is self._current and self._task is not None:
                self._task.cancel()
            self.insert(SpokenReply(reply.turn_id, reply.pending, is_unprompted=True), lambda other: True)


async def _certain() -> None:
    """Nothing is ever missed."""
