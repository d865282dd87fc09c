"""How the provider speaks what a relay's server sends: in order, at a speed, until the caller interrupts.

Text is spoken in the order it came, and a reply ends with `last`. A caller who speaks while something is being spoken
interrupts it, and everything that waited behind it is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from orchestrator.provider_simulator import events
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.speech_attributes import RelayVoices
from orchestrator.provider_simulator.twiml import Gather

AFTER_WORDS_SECONDS = 0.05
"""How long a caller waits after the last word before they answer."""
LISTENING = Gather(inputs=frozenset({"dtmf", "speech"}), action_on_empty_result=True)
"""How a relay listens: always, to words and keys."""
NO_VOICES = RelayVoices()
UNAWARE = " unaware"
"""The key of our own note in a frame; no field of the server has this name."""

Tell = Callable[[events.Event], Awaitable[None]]


class RelaySpeech:
    """Speaks the frames of one session. `send` sends a frame to the server, `tell` reports an event to the caller.

    `voices` are those of the session's document, and `agent` is who speaks first, if that is known.

    `handoff` is None until the server's `end` frame was carried out; `has_spoken` is true from the first word on.
    """

    def __init__(
        self,
        speed: PlaybackSpeed,
        send: Callable[[dict[str, Any]], None],
        tell: Tell,
        voices: RelayVoices = NO_VOICES,
        agent: str = "",
    ) -> None:
        self.handoff: str | None = None
        self.has_spoken = False
        self._speed = speed
        self._send = send
        self._tell = tell
        self._frames: deque[dict[str, Any]] = deque()
        self._come = asyncio.Event()
        self._cut = asyncio.Event()
        self._spoken = ""
        self._spoken_since = 0.0
        self._is_speaking = False
        self._asks_later = False
        self._was_cut = False
        self._may_interrupt = True
        self._voices = voices
        self._speaker = events.SpeakerChanged(agent, voices.voice(voices.language), voices.language)
        self._is_speaker_new = bool(agent or self._speaker.voice)

    def add(self, frame: dict[str, Any], *, unaware: bool) -> None:
        """Queue a frame; `unaware`: it was sent before the server had received all that the caller said."""
        self._frames.append({**frame, UNAWARE: unaware})
        self._come.set()

    def interrupt(self) -> None:
        """Stop what is being spoken, if anything is and if it may be interrupted, and tell the server."""
        waits = any(frame.get("type") == "text" and frame.get("token") for frame in self._frames)
        if not (self._is_speaking or waits) or not self._may_interrupt:
            return
        self._frames = deque(frame for frame in self._frames if frame.get("type") == "end")
        self._cut.set()
        self._come.set()
        lasted = int((self._now() - self._spoken_since) * 1000) if self._spoken else 0
        self._send({"type": "interrupt", "utteranceUntilInterrupt": self._spoken, "durationUntilInterruptMs": lasted})

    async def speak(self) -> None:
        """Carry out frames in order until the one that ends the session."""
        while True:
            frame = await self._next_frame()
            match frame["type"]:
                case "text":
                    self._asks_later = False
                    self._may_interrupt = frame.get("interruptible", True) is not False
                    await self._utter(str(frame.get("token", "")), unaware=frame[UNAWARE])
                    if frame.get("last", True) and not self._cut.is_set():
                        await self._finish_reply()
                case "play":
                    await self._tell(events.Played(url=str(frame.get("source", ""))))
                case "language":
                    self._speak_language(str(frame.get("ttsLanguage", "")))
                case "sendDigits":
                    await self._tell(events.Played(digits=str(frame.get("digits", ""))))
                case "end":
                    await self.finish_utterance()
                    self.handoff = str(frame.get("handoffData", ""))
                    return

    def _speak_language(self, language: str) -> None:
        """Speak another language from here on. The frame does not say whether another agent has the call."""
        speaker = events.SpeakerChanged("", self._voices.voice(language), language)
        if language and speaker.language != self._speaker.language:
            self._is_speaker_new = bool(speaker.voice or self._speaker.voice)
            self._speaker = speaker

    async def finish_utterance(self) -> None:
        """Report what was spoken since the last utterance ended."""
        said, self._spoken = self._spoken, ""
        if said:
            self._send({"type": "info", "name": "agentSpeaking", "value": "off"})
            await self._tell(events.Said(said, interruptible=True, spoken=True))

    async def _next_frame(self) -> dict[str, Any]:
        while True:
            if self._cut.is_set():
                await self._cut_short()
            if self._frames:
                return self._frames.popleft()
            if self._asks_later:
                self._asks_later = False
                await self._more_soon()
                if not self._frames and not self._cut.is_set():
                    await self._tell(events.Asked(LISTENING))
                continue
            self._come.clear()
            await self._come.wait()

    async def _utter(self, text: str, *, unaware: bool) -> None:
        """Speak `text` piece by piece, as long as nobody interrupts."""
        for piece in self._speed.pieces(text):
            if self._cut.is_set():
                return
            if self._is_speaker_new:
                self._is_speaker_new = False
                await self._tell(self._speaker)
            self._begin_speaking()
            self._is_speaking = self.has_spoken = True
            self._spoken += piece
            self._was_cut = False
            await self._tell(events.Speaking(piece, unaware))
            # Not wait_for, here and below: before Python 3.12 it may swallow the end of the session.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._speed.uttering_seconds(piece)):
                    await self._cut.wait()
            self._is_speaking = bool(self._speed.characters_per_second) and not self._cut.is_set()
        self._is_speaking = False

    def _begin_speaking(self) -> None:
        if not self._spoken:
            self._spoken_since = self._now()
            self._send({"type": "info", "name": "agentSpeaking", "value": "on"})

    async def _finish_reply(self) -> None:
        await self.finish_utterance()
        if self._was_cut:  # this is the end of the reply that the caller cut off
            return
        if not self._frames:  # a reply may end with more than words
            await self._more_soon()
        if not self._frames:
            await self._tell(events.Asked(LISTENING))
        else:
            self._asks_later = True

    async def _more_soon(self) -> None:
        """Return when a frame has come, or the caller may answer."""
        self._come.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(AFTER_WORDS_SECONDS):
                await self._come.wait()

    async def _cut_short(self) -> None:
        self._cut.clear()
        self._was_cut = True
        heard, self._spoken = self._spoken, ""
        if heard:
            await self._tell(events.Said(heard, interruptible=True, spoken=True))
        await self._tell(events.Interrupted(heard))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
