"""Sends the words and actions of replies as frames: as utterances, which the provider speaks one after the other."""

import time

from orchestrator.conversation.actions import SetSpeech
from web.twilio.relay import outbound_frames
from web.twilio.relay.connection import ConnectionLost, RelayConnection
from web.twilio.relay.playout_clock import PlayoutClock
from web.twilio.relay.relay_voice import RelayVoice
from web.twilio.relay.reply_metrics import ReplyMetrics
from web.twilio.relay.spoken_reply import Part, SpokenReply


class Utterances:
    """What is sent over one connection. Every method that sends may raise `ConnectionLost`."""

    def __init__(
        self, connection: RelayConnection, clock: PlayoutClock, voice: RelayVoice, metrics: ReplyMetrics
    ) -> None:
        self.latest: SpokenReply | None = None
        """The reply of which words were sent last."""
        self._connection = connection
        self._clock = clock
        self._voice = voice
        self._metrics = metrics

    async def send(self, reply: SpokenReply, part: Part) -> None:
        """Send words of the reply, or an action between them."""
        reply.last_part_at = time.monotonic()
        if isinstance(part, str):
            await self._send_text(reply, part)
            return
        reply.actions_done += 1
        await self.end(reply)  # so that the action follows all that was said before it
        if isinstance(part, SetSpeech):
            reply.speech_options = part
        elif (frame := self._voice.frame(part, reply)) is not None:
            await self._connection.send(frame)

    async def end(self, reply: SpokenReply) -> None:
        """End the reply's utterance, if one is open."""
        if reply.is_open:
            reply.is_open = False
            await self._connection.send(outbound_frames.text("", is_last=True, options=reply.speech_options))

    async def say(self, text: str) -> None:
        """Say something that is not a reply."""
        self._clock.utterance_begun()
        self._clock.sent(text)
        await self._connection.send(*outbound_frames.tokens(text), outbound_frames.text("", is_last=True))

    async def _send_text(self, reply: SpokenReply, text: str) -> None:
        self.latest = reply
        if (frame := self._voice.take_due()) is not None:
            await self._connection.send(frame)
        if not reply.is_open or reply.goes_on:
            reply.is_open, reply.goes_on = True, False
            reply.utterances.append(len(reply.said))
            self._clock.utterance_begun(reply)
        self._clock.sent(text)
        reply.note_first_words()
        said, reply.said = reply.said, reply.said + text
        try:
            await self._connection.send(*outbound_frames.tokens(text, options=reply.speech_options))
        except ConnectionLost:
            reply.said = said
            raise
        self._metrics.words_sent(reply)
