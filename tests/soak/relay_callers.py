"""Callers on relays: they hear words one by one, speak over them, lose their sockets and come back elsewhere."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from random import Random

import httpx
from soak.callers import LONGEST_CALL_TURNS, Caller
from soak.journal import CallJournal, Exchange, HeardWord
from soak.provider import Provider
from soak.script import GOODBYE, WORDS, words_in
from soak.speech import DeskSpeech, Speech
from support.deployment import PUBLIC_URL, TOKEN

from orchestrator.provider_simulator import (
    Event,
    HungUp,
    Interrupted,
    PhoneLine,
    PlaybackSpeed,
    Problem,
    RelayReconnect,
    RetryPolicy,
    Said,
    Speaking,
    Waiting,
)
from orchestrator.provider_simulator.webhooks import new_client
from orchestrator.turns.outcome import APOLOGY

CHARACTERS_PER_SECOND = 120
INTERRUPT_SHARE = 0.15
DROP_SHARE = 0.06
MOST_TURNS = 12
"""Calls on relays are short: a word's number has two digits, and a reply takes its time."""
PATIENCE_SECONDS = 60.0
DEAD_LINE_SECONDS = 180.0
"""Longer than any line may be dead: callers are held for a minute, and the provider asks for a minute and a half."""
AFTER_LOSS_SECONDS = 8.0
"""Who was cut off and hears nothing for so long says something else: their words may have been lost with the socket."""
RETRY = RetryPolicy(on=frozenset({"ct", "rt", "5xx"}), total_seconds=90)


class RelayCaller(Caller):
    """Makes calls on relays, at any of their ingresses."""

    channel = "relay"

    def __init__(
        self,
        provider: Provider,
        rng: Random,
        stop: asyncio.Event,
        ingresses: list[str],
        new_speech: Callable[[Random], Speech] = Speech,
    ) -> None:
        super().__init__(provider, rng, stop, new_speech)
        self._ingresses = ingresses
        self._client: httpx.AsyncClient | None = None

    async def call_for_ever(self) -> None:
        """As the others; over a client of its own."""
        async with new_client() as self._client:
            await super().call_for_ever()

    async def _call(self, journal: CallJournal) -> None:
        line = PhoneLine(
            self.rng.choice(self._ingresses), TOKEN, identity=self.speech.identity(journal.call_sid),
            public_url=PUBLIC_URL, retry=RETRY, speed=PlaybackSpeed(characters_per_second=CHARACTERS_PER_SECOND),
            client=self._client, relay_reconnect=self._reconnect(),
        )  # fmt: skip
        ear = SpokenLog(journal, line, self._clock, lambda: self.rng.choice(self._ingresses))
        listening = asyncio.create_task(ear.listen())
        try:
            await self._converse(journal, line, ear)
            await asyncio.wait({listening}, timeout=PATIENCE_SECONDS)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if not journal.words and journal.sessions == 1:
            self.provider.unheard.add(journal.call_sid)
            self.journals.remove(journal)  # the provider's first request met a dying ingress: there was no call
            return
        # The line tells it once; a provider that finds nobody tells it again.
        ended = self.speech.identity(journal.call_sid).ended("completed", 60)
        await self.provider.webhook("/twilio/status", ended, self.rng)
        journal.over = True

    def _reconnect(self) -> RelayReconnect:
        """What this provider does when a socket is lost: it opens it again, or asks for another document.

        It sends what had not been sent, as is documented. One that repeats the whole call, too, is for other tests:
        what was said more than half a minute before cannot be told from the same words said again.
        """
        return RelayReconnect(
            keeps_session=self.rng.random() < 0.5,
            fires_action=self.rng.random() < 0.3,
            delay_seconds=self.rng.uniform(0.05, 0.5),
        )

    async def _converse(self, journal: CallJournal, line: PhoneLine, ear: "SpokenLog") -> None:
        greeting = self.begin(journal, "start", "")
        await ear.until_heard(greeting, WORDS)
        length, number = self.rng.randint(3, min(MOST_TURNS, LONGEST_CALL_TURNS)), 0
        while not ear.is_over and number < length and not self._stop.is_set():
            number += 1
            await self.say(journal, line, ear, number)
        if ear.is_over:
            return
        if self.rng.random() < 0.5:
            await self.say(journal, line, ear, number + 1, " " + GOODBYE)
            await ear.until(lambda: ear.is_over, AFTER_LOSS_SECONDS)
        line.hang_up()

    async def say(self, journal: CallJournal, line: PhoneLine, ear: "SpokenLog", number: int, more: str = "") -> None:
        if isinstance(self.speech, DeskSpeech) and journal.words:
            self.speech.spoke_last(journal.words[-1].word.speaker)
        exchange = await ear.speak(self.speech.utterance(number, more), number)
        if exchange is None:
            line.hang_up()
            return
        way = self.rng.random()
        some = self.rng.randint(1, WORDS - 2)
        if more:
            await ear.until_heard(exchange, WORDS)
        elif way < INTERRUPT_SHARE:
            await ear.until_heard(exchange, some)
            return  # and the next words are said over it
        elif way < INTERRUPT_SHARE + DROP_SHARE:
            await ear.until_heard(exchange, some)
            journal.drops += 1
            await line.drop_socket()
        await ear.until_heard(exchange, WORDS)
        if not ear.is_over:
            await self._think()


class SpokenLog:
    """Hears one call, notes its words, and knows whom they answer."""

    def __init__(
        self,
        journal: CallJournal,
        line: PhoneLine,
        clock: Callable[[], float],
        elsewhere: Callable[[], str],
        *,
        dead_line_seconds: float = DEAD_LINE_SECONDS,
    ) -> None:
        self._dead_line_seconds = dead_line_seconds
        self.is_over = False
        self._journal = journal
        self._line = line
        self._clock = clock
        self._elsewhere = elsewhere
        self._news = asyncio.Event()
        self._last_sound = clock()

    async def speak(self, text: str, number: int) -> Exchange | None:
        """Say it, over what is being heard if need be; or None: nothing is said into a dead line."""
        seconds = self._dead_line_seconds
        if not await self.until(lambda: self.is_over or self._line.is_heard, seconds):
            self._journal.complain(f"number-{number} was not said: nobody took the line for {seconds:g} s")
        if self.is_over or not self._line.answer_speech(text):
            return None
        before = self._journal.exchanges[-1]
        if before.heard == "nothing" and before.sound_at is not None:
            before.heard, before.cut_at, before.cut_in = "cut off", self._clock(), self._journal.sessions
        exchange = Exchange(f"number-{number}", text, self._clock(), number=number, session=self._journal.sessions)
        self._journal.exchanges.append(exchange)
        return exchange

    async def until_heard(self, exchange: Exchange, words: int) -> None:
        """Return when so much of the reply was heard, or it was otherwise settled, or nothing comes any more."""

        def is_enough() -> bool:
            return exchange.heard != "nothing" or self._place(exchange) >= words - 1 or self.is_over

        if not await self.until(is_enough, PATIENCE_SECONDS, lambda: self._is_in_vain(exchange)):
            lost = exchange.session != self._journal.sessions
            if not lost and exchange.number and self._line.is_heard:
                self._journal.complain(f"{exchange.turn_id} was not answered in {PATIENCE_SECONDS:g} s")

    async def until(
        self, condition: Callable[[], bool], seconds: float, gives_up: Callable[[], bool] = lambda: False
    ) -> bool:
        """Whether the condition held before the time was over."""
        end = self._clock() + seconds
        while not condition():
            if self._clock() > end or gives_up():
                return False
            self._news.clear()
            # Not wait_for: before Python 3.12 it may swallow the end of the soak.
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._news.wait()
        return True

    async def listen(self) -> None:
        """To the end of the call."""
        try:
            async with aclosing(self._line.call()) as events:
                async for event in events:
                    self._on_event(event)
                    self._news.set()
        finally:
            self.is_over = True
            self._news.set()

    def _is_in_vain(self, exchange: Exchange) -> bool:
        lost = exchange.session != self._journal.sessions
        return lost and self._clock() - max(self._last_sound, exchange.sent_at) > AFTER_LOSS_SECONDS

    def _place(self, exchange: Exchange) -> int:
        return max((w.word.place for w in self._journal.words if w.word.number == exchange.number), default=-1)

    def _on_event(self, event: Event) -> None:
        match event:
            case Speaking(text, unaware):
                self._hear(text, unaware=unaware)
            case Said(text) if APOLOGY in text:
                self._journal.exchanges[-1].heard = "apology"
            case Interrupted(heard):
                cut = [exchange for exchange in self._journal.exchanges if exchange.cut_at is not None]
                if cut and cut[-1].utterance is None:
                    cut[-1].utterance = heard
            case Waiting(text):
                if "socket was lost" in text or "was not opened" in text:
                    self._journal.sessions += 1
                    self._last_sound = self._clock()
                self._line.move_to(self._elsewhere())
            case Problem(text, unreachable) if self._journal.words and not unreachable and "callback" not in text:
                self._journal.complain(text)
            case HungUp():
                self.is_over = True

    def _hear(self, text: str, *, unaware: bool) -> None:
        self._last_sound = self._clock()
        for word in words_in(text):
            self._journal.words.append(HeardWord(word, self._clock(), self._journal.sessions, unaware))
            for exchange in self._journal.exchanges:
                if exchange.number == word.number:
                    exchange.sound_at = exchange.sound_at or self._clock()
                    if word.is_last and exchange.heard == "nothing":
                        exchange.heard, exchange.answered_at = "reply", self._clock()
