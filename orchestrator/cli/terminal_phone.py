"""A telephone on a terminal: prints what the agent says, sends what is typed."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, aclosing

from orchestrator.cli.call_notes import note_of, note_of_message
from orchestrator.cli.colors import Colors
from orchestrator.cli.keyboard import Keyboard
from orchestrator.cli.speaker_names import SpeakerNames
from orchestrator.cli.transcript import AGENT, CALLER, INDENT, wrapped
from orchestrator.cli.utterance import Utterance
from orchestrator.provider_simulator import (
    Asked,
    Event,
    HungUp,
    Interrupted,
    PhoneLine,
    Problem,
    Recording,
    Said,
    SpeakerChanged,
    Speaking,
    Waiting,
)
from orchestrator.provider_simulator.attachment import attached
from orchestrator.provider_simulator.listener import KEYS
from orchestrator.provider_simulator.relay_speech import LISTENING
from orchestrator.provider_simulator.rest_api import SentMessage
from orchestrator.provider_simulator.twiml import Gather
from orchestrator.tasks import cancel_and_wait

LAST_MESSAGE_SECONDS = 1.0
"""After the call, for a text message that it has ordered."""
ENDINGS = {"caller": "You hung up.", "agent": "The agent hung up.", "problem": "The call broke off."}


class TerminalPhone:
    """Holds one call on a line. Standard input is a person (a terminal) or a script (anything else)."""

    def __init__(
        self, line: PhoneLine, url: str, *, channel: str | None = None, names: SpeakerNames | None = None
    ) -> None:
        self._line = line
        self._url = url
        self._channel = channel
        self._names = names
        self._colors = Colors(sys.stdout)
        self._utterance = Utterance(self._colors)
        self._typing: asyncio.Task[None] | None = None
        self._person = sys.stdin.isatty()
        self._prompting = False
        self._waiting = False
        self._failed = False

    async def talk(self, exchange: str | None = None) -> int:
        """Run the call to its end. Return 0 when it ended well, 1 when it failed.

        `exchange` is where the server's simulated provider may be (`orchestrator.provider_simulator.exchange`).
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._line.hang_up)
        self._hint(f"Calling {self._url} as {self._line.identity.from_number} · {self._line.call_sid}")
        if self._person:
            self._hint("Type what you say · #123 presses keys · empty line: silence · Ctrl-C: hang up")
        print(flush=True)
        self._keyboard = Keyboard()
        async with AsyncExitStack() as stack:
            attachment = attached(self._line, exchange, self._show_message) if exchange is not None else None
            is_attached = attachment is not None and await stack.enter_async_context(attachment)
            try:
                await self._follow()
            finally:
                await cancel_and_wait(self._typing)
            if is_attached:
                await asyncio.sleep(LAST_MESSAGE_SECONDS)
        return 1 if self._failed else 0

    async def _follow(self) -> None:
        async with aclosing(self._line.call()) as events:
            async for event in events:
                await self._on_event(event)

    def _show_message(self, message: SentMessage) -> None:
        was_prompting = self._prompting
        self._note(note_of_message(message))
        if was_prompting:
            self._show_prompt()

    async def _on_event(self, event: Event) -> None:
        if not isinstance(event, Waiting):
            self._waiting = False
        match event:
            case Speaking(text):
                self._speak(text)
            case SpeakerChanged():
                self._show_speaker(event)
            case Said(spoken=True):
                self._utterance.end()
            case Interrupted():
                self._note("(interrupted)")
            case Said(text):
                self._print(self._colors(AGENT, "bold", "cyan"), text)
            case Asked(gather):
                await self._answer(gather)
            case Recording():
                self._note(note_of(event) or "")
                await self._answer_question(LISTENING)
            case Waiting():
                self._wait()
            case Problem(text, unreachable):
                self._complain(text, unreachable)
            case HungUp():
                self._end(event)
            case _ if (note := note_of(event)) is not None:
                self._note(note)

    def _speak(self, text: str) -> None:
        if self._person and self._typing is None:  # at a relay, a person may speak at any time
            self._typing = asyncio.create_task(self._talk_freely())
        if self._prompting:
            self._break_prompt()
        self._utterance.add(text)

    def _show_speaker(self, speaker: SpeakerChanged) -> None:
        """Say who speaks from here on, and with which voice."""
        name = self._names.name_of(speaker) if self._names is not None else speaker.agent
        known = [name, speaker.voice or "the provider's voice", speaker.language]
        self._note(f"({' · '.join(filter(None, known))})")

    async def _talk_freely(self) -> None:
        while (line := await self._keyboard.line()) is not None:
            self._prompting = False
            self._utterance.broken()  # Enter has begun a new line
            self._send(line, LISTENING)
        self._line.hang_up()

    async def _answer(self, gather: Gather) -> None:
        if self._channel is not None and self._channel != ("relay" if gather is LISTENING else "gather"):
            self._complain(f"The server talks otherwise. Start it with VOICE_CHANNEL={self._channel}.", False)
            self._line.hang_up()
        elif gather is not LISTENING:
            await self._answer_question(gather)
        elif self._person:
            self._show_prompt()
        else:
            self._send(await self._prompt(), gather)

    async def _answer_question(self, gather: Gather) -> None:
        """Read lines until one of them is an answer that the question accepts."""
        if self._typing is not None:  # on a relay, where a person's lines are read all the time
            self._show_prompt()
            return
        typing = asyncio.create_task(self._type(gather))
        over = asyncio.create_task(self._line.question_over())
        try:
            await asyncio.wait({typing, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            typing.cancel()
            over.cancel()
            await asyncio.gather(typing, over, return_exceptions=True)

    async def _type(self, gather: Gather) -> None:
        while not self._send(await self._prompt(), gather):
            pass

    async def _prompt(self) -> str | None:
        if self._person:
            self._show_prompt()
        line = await self._keyboard.line()
        if line is None:
            return None
        self._prompting = False
        if not self._person:
            self._print(CALLER, line or "(silence)")
        return line

    def _show_prompt(self) -> None:
        print(self._colors(CALLER, "bold", "green"), end="", flush=True)
        self._prompting = True

    def _send(self, line: str | None, gather: Gather) -> bool:
        """True if the call continues with this."""
        if line is None:
            self._line.hang_up()
            return True
        words = line.strip()
        if not words:
            return self._line.answer_silence()
        if words.startswith("#") and KEYS.issuperset(words):
            return self._line.answer_keys(words[1:] or "#") or self._unheard("speech: type words")
        return self._line.answer_speech(words) or self._unheard("keys: type #123")

    def _unheard(self, wanted: str) -> bool:
        self._note(f"(the agent takes only {wanted})")
        return False

    def _wait(self) -> None:
        if not self._waiting:
            self._note("(no answer, trying again…)", "yellow")
        self._waiting = True

    def _complain(self, text: str, unreachable: bool) -> None:
        self._failed = True
        hint = " Start it with `make run`." if unreachable else ""
        self._break_prompt()
        sys.stdout.flush()
        print(Colors(sys.stderr)(text + hint, "red"), file=sys.stderr, flush=True)

    def _end(self, event: HungUp) -> None:
        self._break_prompt()
        if event.by == "problem" and event.status == "failed":
            return
        self._failed = self._failed or event.by == "problem"
        reason = {"busy": "The line is busy.", "no-answer": "The call was not taken."}.get(event.status)
        duration = "" if reason else f" The call took {_duration(event.duration_seconds)}."
        print()
        self._hint((reason or ENDINGS[event.by]) + duration)

    def _break_prompt(self) -> None:
        if self._prompting:  # after ^C, or where the prompt waits
            print()
        self._utterance.end()
        self._prompting = False

    def _hint(self, text: str) -> None:
        print(self._colors(text, "dim"), flush=True)

    def _note(self, text: str, *styles: str) -> None:
        self._break_prompt()
        self._print(INDENT, text, *(styles or ("dim",)))

    def _print(self, label: str, text: str, *styles: str) -> None:
        """Return `text` after `label`, wrapped, with further lines aligned below the first."""
        self._break_prompt()
        for before, words in wrapped(label, text):
            print(before + self._colors(words, *styles), flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
