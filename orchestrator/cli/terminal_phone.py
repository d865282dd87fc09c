"""A telephone on a terminal: shows what the agent says, sends what is typed."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, aclosing

from orchestrator.cli.call_notes import note_of, note_of_message
from orchestrator.cli.json_screen import JsonScreen
from orchestrator.cli.keyboard import Keyboard, unbuffered
from orchestrator.cli.line_editor import Line, LineEditor
from orchestrator.cli.phone_screen import PhoneScreen
from orchestrator.cli.sensitive_questions import SensitiveQuestions
from orchestrator.cli.speaker_names import SpeakerNames
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
    """Holds one call on a line. Standard input is a person (a terminal) or a script (anything else).

    What a sensitive question is answered with is not shown: `questions` knows which are, where the provider does not.
    """

    def __init__(
        self,
        line: PhoneLine,
        url: str,
        *,
        channel: str | None = None,
        names: SpeakerNames | None = None,
        questions: SensitiveQuestions | None = None,
        as_json: bool = False,
    ) -> None:
        self._line = line
        self._url = url
        self._channel = channel
        self._names = names
        self._questions = questions
        self._as_json = as_json
        self._typing: asyncio.Task[None] | None = None
        self._person = sys.stdin.isatty()
        self._waiting = False
        self._failed = False

    async def talk(self, exchange: str | None = None) -> int:
        """Run the call to its end. Return 0 when it ended well, 1 when it failed.

        `exchange` is where the server's simulated provider may be (`orchestrator.provider_simulator.exchange`).
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._line.hang_up)
        async with AsyncExitStack() as stack:
            self._take_terminal(not self._as_json and stack.enter_context(unbuffered()))
            attachment = attached(self._line, exchange, self._show_message) if exchange is not None else None
            is_attached = attachment is not None and await stack.enter_async_context(attachment)
            try:
                await self._follow()
            finally:
                await cancel_and_wait(self._typing)
                self._screen.close()
            if is_attached:
                await asyncio.sleep(LAST_MESSAGE_SECONDS)
        return 1 if self._failed else 0

    def _take_terminal(self, sends_keys: bool) -> None:
        """Begin to read and to print; `sends_keys`: the terminal edits no lines, so we do."""
        editor = LineEditor(_write) if sends_keys else None
        self._screen: PhoneScreen | JsonScreen = JsonScreen() if self._as_json else PhoneScreen(editor)
        number, call_sid = self._line.identity.from_number, self._line.call_sid
        self._screen.begin(self._url, number, call_sid, is_person=self._person)

        def note_typing() -> None:
            self._line.begin_to_speak(editor is not None and bool(editor.text))

        self._keyboard = Keyboard(editor=editor, is_echoed=self._person, on_keys=note_typing)

    async def _follow(self) -> None:
        async with aclosing(self._line.call()) as events:
            async for event in events:
                await self._on_event(event)

    def _show_message(self, message: SentMessage) -> None:
        self._screen.note_aside(note_of_message(message))

    async def _on_event(self, event: Event) -> None:
        if not isinstance(event, Waiting):
            self._waiting = False
        match event:
            case Speaking(text):
                self._speak(text)
            case SpeakerChanged():
                self._show_speaker(event)
            case Said(spoken=True):
                self._screen.end_utterance()
            case Interrupted():
                self._screen.note("(interrupted)")
            case Said(text):
                self._screen.say(text)
            case Asked(gather):
                await self._answer(gather)
            case Recording():
                self._screen.note(note_of(event) or "")
                self._screen.is_sensitive = False
                await self._answer_question()
            case Waiting():
                self._wait()
            case Problem(text, unreachable):
                self._complain(text + (" Start it with `make run`." if unreachable else ""))
            case HungUp():
                self._end(event)
            case _ if (note := note_of(event)) is not None:
                self._screen.note(note)

    def _speak(self, text: str) -> None:
        if self._person and self._typing is None:  # at a relay, a person may speak at any time
            self._typing = asyncio.create_task(self._talk_freely())
        self._screen.say_on(text)

    def _show_speaker(self, speaker: SpeakerChanged) -> None:
        """Say who speaks from here on, and with which voice."""
        name = self._names.name_of(speaker) if self._names is not None else speaker.agent
        known = [name, speaker.voice or "the provider's voice", speaker.language]
        self._screen.note(f"({' · '.join(filter(None, known))})")

    async def _talk_freely(self) -> None:
        while (line := await self._keyboard.line()) is not None:
            self._screen.show_line(line, is_person=True)
            self._send(line)
        self._line.hang_up()

    async def _answer(self, gather: Gather) -> None:
        if self._channel is not None and self._channel != ("relay" if gather is LISTENING else "gather"):
            self._complain(f"The server talks otherwise. Start it with VOICE_CHANNEL={self._channel}.")
            self._line.hang_up()
            return
        self._screen.is_sensitive = await self._is_sensitive(gather)
        if gather is not LISTENING:
            await self._answer_question()
        elif self._person:
            self._screen.show_prompt()
        else:
            self._send(await self._next_line())

    async def _is_sensitive(self, gather: Gather) -> bool:
        if gather is LISTENING and self._questions is not None:
            return await self._questions.awaits(self._line.call_sid)
        return gather.is_sensitive

    async def _answer_question(self) -> None:
        """Read lines until one of them is an answer that the question accepts."""
        if self._typing is not None:  # on a relay, where a person's lines are read all the time
            self._screen.show_prompt()
            return
        typing = asyncio.create_task(self._type())
        over = asyncio.create_task(self._line.question_over())
        try:
            await asyncio.wait({typing, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            typing.cancel()
            over.cancel()
            await asyncio.gather(typing, over, return_exceptions=True)

    async def _type(self) -> None:
        while not self._send(await self._next_line()):
            pass

    async def _next_line(self) -> Line | None:
        if self._person and not self._keyboard.has_line:
            self._screen.show_prompt()
        line = await self._keyboard.line()
        if line is not None:
            self._screen.show_line(line, is_person=self._person)
        return line

    def _send(self, line: Line | None) -> bool:
        """True if the call continues with this."""
        if line is None:
            self._line.hang_up()
            return True
        words = line.text.strip()
        if not words:
            return self._line.answer_silence()
        if words.startswith("#") and KEYS.issuperset(words):
            return self._line.answer_keys(words[1:] or "#") or self._unheard("speech: type words")
        return self._line.answer_speech(words) or self._unheard("keys: type #123")

    def _unheard(self, wanted: str) -> bool:
        self._screen.note(f"(the agent takes only {wanted})")
        return False

    def _wait(self) -> None:
        if not self._waiting:
            self._screen.note("(no answer, trying again…)", "yellow")
        self._waiting = True

    def _complain(self, text: str) -> None:
        self._failed = True
        self._screen.complain(text)

    def _end(self, event: HungUp) -> None:
        if event.by == "problem" and event.status == "failed":
            return
        self._failed = self._failed or event.by == "problem"
        reason = {"busy": "The line is busy.", "no-answer": "The call was not taken."}.get(event.status)
        duration = "" if reason else f" The call took {_duration(event.duration_seconds)}."
        self._screen.end((reason or ENDINGS[event.by]) + duration, event)


def _write(text: str) -> None:
    print(text, end="", flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
