"""One relay session, from the setup until the socket is lost or the call ends: what each frame means for the call."""

import asyncio
import logging
from typing import Any

from orchestrator.conversation.actions import Gather
from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.turn import Turn
from orchestrator.relay_documents.store import Document
from orchestrator.routes.choice import Choice
from web.ingress import Ingress
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.inbound_frames import (
    Dtmf,
    InboundFrame,
    Info,
    Interrupt,
    Malformed,
    Prompt,
    ProviderError,
    Setup,
    Unknown,
)
from web.twilio.relay.keypad import Keypad
from web.twilio.relay.playout import Playout
from web.twilio.relay.redelivery import Burst
from web.twilio.relay.session_turns import SessionTurns
from web.twilio.relay.spoken_reply import SpokenReply

logger = logging.getLogger(__name__)

MAX_MALFORMED_FRAMES = 100


class RelaySession:
    """Reads nothing from the socket itself: `on_frame` gets each frame and returns at once.

    `choice` says who answers the call, should it begin here; `first_turn` is what a known call goes on with. The
    session `goes_on_for` the one of this document whose socket is lost: the provider has opened a new one by itself.
    `awaits_sensitive`: by its document, the next words of the caller are.
    """

    def __init__(
        self,
        ingress: Ingress,
        connection: RelayConnection,
        setup: Setup,
        choice: Choice,
        first_turn: Turn | None = None,
        goes_on_for: Document | None = None,
        *,
        awaits_sensitive: bool = False,
    ) -> None:
        self.call_sid = setup.call_sid
        self._connection = connection
        self._session_id = setup.session_id
        self._turn_count = 0
        self._finished = asyncio.Event()
        self._timeouts = ingress.timeouts.relay
        self._burst = Burst(self._timeouts.burst_gap)
        self._malformed_in_a_row = 0
        self._keypad = Keypad()
        self._interrupted: SpokenReply | None = None
        self._key_timer: asyncio.TimerHandle | None = None
        self._silence_timer: asyncio.TimerHandle | None = None
        self._turns = SessionTurns(
            ingress, connection, setup, choice,
            on_gather=self._set_gather, on_silent_in=self._expect_silence, first_turn=first_turn,
            goes_on_for=goes_on_for, awaits_sensitive=awaits_sensitive,
        )  # fmt: skip

    @property
    def is_idle(self) -> bool:
        """True if the connection can be closed without cutting off the agent or the caller."""
        return self._turns.is_idle and not self._keypad.is_waiting

    @property
    def playout(self) -> Playout:
        """Return what speaks the replies."""
        return self._turns.playout

    def close_connection(self, code: int, reason: str) -> None:
        """Start to close the socket. The call continues: its provider asks for a new session."""
        self._connection.close(code, reason)

    def on_frame(self, frame: InboundFrame) -> None:
        """Process a frame. What it causes is done in the background, in order."""
        self._malformed_in_a_row = self._malformed_in_a_row + 1 if isinstance(frame, Malformed) else 0
        if isinstance(frame, Prompt | Dtmf):
            self._burst.extend()
        match frame:
            case Prompt():
                self._on_prompt(frame)
            case Dtmf(key):
                self._on_key(key)
            case Interrupt(heard):
                self._on_interrupt(heard)
            case Info("agentSpeaking", "on"):
                self.playout.speech_begun()
            case Info("agentSpeaking", "off"):
                self.playout.clock.utterance_spoken()
            case Setup():
                self._on_second_setup(frame)
            case ProviderError(description):
                said = HIDDEN if self._turns.sensitive.have_come else description  # it may quote a frame of ours
                self._log(logging.WARNING, "The provider reports an error: %s", said)
            case Malformed(why):
                self._log(logging.DEBUG, "Ignored a malformed frame: %s", why)
                if self._malformed_in_a_row >= MAX_MALFORMED_FRAMES:
                    self.close_connection(1007, "too many malformed frames")
            case Unknown() | Info():
                pass

    async def finish(self) -> None:
        """End the session; return once what the caller said and keyed in is stored.

        Turns that were submitted still get their results.
        """
        for timer in (self._key_timer, self._silence_timer):
            if timer is not None:
                timer.cancel()
        self._finish_keys()
        try:
            await self._turns.close()
        finally:
            self._finished.set()

    async def wait_finished(self) -> None:
        """Return when `finish` has, so that what the caller said is stored, if it could be."""
        await self._finished.wait()

    def _on_prompt(self, prompt: Prompt) -> None:
        self._stop_silence_timer()
        if prompt.is_last and prompt.text:
            self._finish_keys()
            self._submit("speech", text=prompt.text, language=prompt.language)

    def _on_key(self, key: str) -> None:
        self._stop_silence_timer()
        answer = self._keypad.press(key)
        if self._key_timer is not None:
            self._key_timer.cancel()
        if answer is not None:
            self._submit_keys(answer)
        else:
            self._key_timer = asyncio.get_running_loop().call_later(self._timeouts.key_pause, self._finish_keys)

    def _finish_keys(self) -> None:
        if self._keypad.is_waiting:
            self._submit_keys(self._keypad.pop())

    def _submit_keys(self, keys: str) -> None:
        self._submit("keys" if keys else "silence", text=keys, digits=keys)

    def _on_interrupt(self, heard: str) -> None:
        if not self._turns.has_begun:
            self._turns.early_interruption = heard
            return
        if self.playout.clock.is_certainly_silent:  # the caller has heard all that was said before
            return
        reply = self.playout.interrupt(heard)
        if reply is None or reply is self._interrupted:  # nothing was said, or it was interrupted before
            return
        self._interrupted = reply
        self._start_silence_timer(self._timeouts.silence)
        self._submit("interrupted", text=reply.heard, interrupts=reply.turn_id)

    def _on_second_setup(self, setup: Setup) -> None:
        """Use the new session id from now on. A setup of another call is ignored."""
        if setup.call_sid != self.call_sid:
            self._log(logging.WARNING, "Ignored a second setup on one socket, which named another call")
        elif setup.session_id and setup.session_id != self._session_id:
            self._session_id = setup.session_id

    def _submit(self, kind: Any, **fields: Any) -> None:
        if self.playout.has_ended_session:
            return
        if self._turns.is_full:
            self._log(logging.WARNING, "Closing a relay socket: turns come faster than they can be stored")
            self.close_connection(1008, "too many turns")
            return
        self._turn_count += 1
        turn = Turn(turn_id=f"{self._session_id}-{self._turn_count}", call_sid=self.call_sid, kind=kind, **fields)
        self._turns.submit(turn, may_be_repeated=self._burst.is_open)

    def _set_gather(self, gather: Gather) -> None:
        self._keypad.options = gather

    def _expect_silence(self, seconds: float) -> None:
        self._start_silence_timer(seconds + self._timeouts.silence)

    def _start_silence_timer(self, seconds: float) -> None:
        self._stop_silence_timer()
        self._silence_timer = asyncio.get_running_loop().call_later(seconds, self._on_silence)

    def _on_silence(self) -> None:
        self._silence_timer = None
        if self.is_idle:
            self._submit("silence")

    def _stop_silence_timer(self) -> None:
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None

    def _log(self, level: int, message: str, *args: object, action: str = "relay.frame") -> None:
        logger.log(level, message, *args, extra={"action": action, "call_sid": self.call_sid})
