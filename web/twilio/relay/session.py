"""One relay session: what its frames mean for the call, from the setup until the socket is lost or the call ends."""

import asyncio
import logging
from typing import Any

from orchestrator.conversation.actions import Gather
from orchestrator.conversation.turn import Turn
from web.ingress import Ingress
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.inbound_frames import Dtmf, Inbound, Info, Interrupt, Malformed, Prompt, Setup, Trouble, Unknown
from web.twilio.relay.keypad import PAUSE_SECONDS, Keypad
from web.twilio.relay.redelivery import Burst
from web.twilio.relay.session_turns import SessionTurns
from web.twilio.relay.spoken_reply import SpokenReply

logger = logging.getLogger(__name__)

SILENCE_TIMEOUT_SECONDS = 5.0
"""After an interruption without words, or a reconnection, silence for so long is told to the agent."""
MOST_MALFORMED_FRAMES = 100


class RelaySession:
    """Reads nothing itself: `hear` gets each frame and never waits."""

    def __init__(self, ingress: Ingress, connection: RelayConnection, setup: Setup) -> None:
        self.call_sid = setup.call_sid
        self._connection = connection
        self._session_id = setup.session_id
        self._number = 0
        self._ended = asyncio.Event()
        self._burst = Burst()
        self._malformed = 0
        self._keypad = Keypad()
        self._cut: SpokenReply | None = None
        self._key_pause: asyncio.TimerHandle | None = None
        self._silence_timer: asyncio.TimerHandle | None = None
        self._turns = SessionTurns(ingress, connection, setup, asked=self._asked, quiet_from=self._quiet_from)
        self._playout = self._turns.playout

    @property
    def is_quiet(self) -> bool:
        """Whether the connection may be closed without cutting anybody short."""
        return self._turns.is_quiet and not self._keypad.is_waiting

    def give_up(self, code: int, reason: str) -> None:
        """Close the socket. The call goes on: its provider asks for a new session."""
        self._connection.give_up(code, reason)

    def hear(self, frame: Inbound) -> None:
        """Take in a frame. What it asks for happens in the background, in order."""
        self._malformed = self._malformed + 1 if isinstance(frame, Malformed) else 0
        if isinstance(frame, Prompt | Dtmf):
            self._burst.note()
        match frame:
            case Prompt():
                self._hear_words(frame)
            case Dtmf(key):
                self._hear_key(key)
            case Interrupt(heard):
                self._hear_interruption(heard)
            case Info("agentSpeaking", "off"):
                self._playout.clock.over()
            case Setup():
                self._hear_setup(frame)
            case Trouble(description):
                self._log(logging.WARNING, "The provider reports an error: %s", description)
            case Malformed(why):
                self._log(logging.DEBUG, "A malformed frame was ignored: %s", why)
                if self._malformed >= MOST_MALFORMED_FRAMES:
                    self.give_up(1007, "too many malformed frames")
            case Unknown() | Info():
                pass

    async def close(self) -> None:
        """End what goes on in the background, once what the caller has said and keyed in is stored. Turns that were
        handed over go on."""
        for timer in (self._key_pause, self._silence_timer):
            if timer is not None:
                timer.cancel()
        self._finish_keys()
        try:
            await self._turns.close()
        finally:
            self._ended.set()

    async def ended(self) -> None:
        """Return when it is closed, and what the caller said is stored, if it could be."""
        await self._ended.wait()

    def _hear_words(self, prompt: Prompt) -> None:
        self._stop_silence_timer()
        if prompt.is_last and prompt.text:
            self._finish_keys()
            self._take("speech", text=prompt.text, language=prompt.language)

    def _hear_key(self, key: str) -> None:
        self._stop_silence_timer()
        answer = self._keypad.press(key)
        if self._key_pause is not None:
            self._key_pause.cancel()
        if answer is not None:
            self._take_keys(answer)
        else:
            self._key_pause = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._finish_keys)

    def _finish_keys(self) -> None:
        if self._keypad.is_waiting:
            self._take_keys(self._keypad.take())

    def _take_keys(self, keys: str) -> None:
        self._take("keys" if keys else "silence", text=keys, digits=keys)

    def _hear_interruption(self, heard: str) -> None:
        if self._playout.clock.is_silent:  # what was said before was heard to its end
            return
        cut = self._playout.cut(heard)
        if cut is None or cut is self._cut:  # nothing was said, or it was cut off already
            return
        self._cut = cut
        self._start_silence_timer(SILENCE_TIMEOUT_SECONDS)
        self._take("interrupted", text=cut.heard, interrupts=cut.turn_id)

    def _hear_setup(self, setup: Setup) -> None:
        """A second setup on one socket: the newer session's id is used from here on; another call's is refused."""
        if setup.call_sid != self.call_sid:
            self._log(logging.WARNING, "A second setup on one socket named another call and was ignored")
        elif setup.session_id and setup.session_id != self._session_id:
            self._session_id = setup.session_id

    def _take(self, kind: Any, **fields: Any) -> None:
        if self._playout.has_left:
            return
        if self._turns.is_full:
            self._log(logging.WARNING, "Turns come faster than they can be stored; the socket is given up")
            self.give_up(1008, "too many turns")
            return
        self._number += 1
        turn = Turn(turn_id=f"{self._session_id}-{self._number}", call_sid=self.call_sid, kind=kind, **fields)
        self._turns.take(turn, may_come_again=self._burst.is_on)

    def _asked(self, gather: Gather) -> None:
        self._keypad.options = gather

    def _quiet_from(self, seconds: float) -> None:
        self._start_silence_timer(seconds + SILENCE_TIMEOUT_SECONDS)

    def _start_silence_timer(self, seconds: float) -> None:
        self._stop_silence_timer()
        self._silence_timer = asyncio.get_running_loop().call_later(seconds, self._on_silence)

    def _on_silence(self) -> None:
        self._silence_timer = None
        if self.is_quiet:
            self._take("silence")

    def _stop_silence_timer(self) -> None:
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None

    def _log(self, level: int, message: str, *args: object, action: str = "relay.frame", **extra: object) -> None:
        logger.log(level, message, *args, extra={"action": action, "call_sid": self.call_sid, **extra})
