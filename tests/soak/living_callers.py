"""Callers whose calls live: they ask for what happens later, are told it by itself, are away and come back.

Whoever is outside sends signals meanwhile.
"""

import asyncio
import re
from random import Random

from soak.callers import LONGEST_CALL_TURNS, PhoneCaller
from soak.journal import CallJournal, Exchange
from soak.living import ASKED, Told, told_in, without_told
from soak.provider import NoAnswer
from soak.signals import SIGNAL_SHARE, send_signal
from soak.speech import Speech

from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.twiml import Dial, Gather, Hangup, Record, Redirect, Say, Verb, parse
from orchestrator.turns.outcome import APOLOGY

ASKING_SHARE = 0.5
FORGETTING_SHARE = 0.1
SILENT_SHARE = 0.15
"""Shares of the turns of a call."""
EMPTY_SHARE = 0.3
"""Of the recordings, in which nothing is said."""
LONGEST_AWAY_SECONDS = 3.0
DIAL_STATUSES = ("no-answer", "busy", "failed", "canceled")
_TURN = re.compile(r"/turn/(\d+)")


class LivingSpeech(Speech):
    """Asks for something now and then."""

    asks: tuple[str, ...] = ASKED

    def utterance(self, number: int, more: str = "") -> str:
        if not more and self._rng.random() < ASKING_SHARE:
            more = f" please {self._rng.choice(self.asks)}"
        elif not more and number > 1 and self._rng.random() < FORGETTING_SHARE:
            more = f" forget {self._rng.randint(max(1, number - 2), number - 1)}"
        return super().utterance(number, more)


class LivingCaller(PhoneCaller):
    """Calls by webhooks, as `PhoneCaller`."""

    _left: Verb | None = None
    """The verb by which the caller has left the conversation."""
    _is_coming_back = False

    async def _call(self, journal: CallJournal) -> None:
        journal.lives = True
        identity = self.speech.identity(journal.call_sid)
        self._left = None
        action: str | None = await self._exchange(journal, "start", "", "/twilio/voice", identity.fields("ringing"))
        length, number = self.rng.randint(3, LONGEST_CALL_TURNS), 0
        while action is not None and (number < length or self._left is not None) and not self._is_done():
            number += 1
            if self.rng.random() < SIGNAL_SHARE:
                self._own(asyncio.create_task(send_signal(self.provider, journal, Random(self.rng.random()))))
            action = await self._go_on(journal, identity, number, action)
        if action is not None:
            await self._leave(journal, identity, int(_turn_id(action).rpartition("-")[2]), action)
        journal.over = True

    def _is_done(self) -> bool:
        return self._stop.is_set() and self._left is None

    async def _go_on(self, journal: CallJournal, identity: CallIdentity, number: int, action: str) -> str | None:
        """Come back, say nothing, or say something."""
        left, self._left = self._left, None
        if left is not None:
            return await self._come_back(journal, identity, action, left)
        await self._think()
        if self.rng.random() < SILENT_SHARE:
            return await self._exchange(journal, _turn_id(action), "", action, identity.fields("in-progress"))
        return await self._say(journal, identity, number, action)

    async def _say(self, journal: CallJournal, identity: CallIdentity, number: int, action: str) -> str | None:
        text = self.speech.utterance(number)
        form = identity.fields("in-progress", {"SpeechResult": text, "Confidence": "0.9"})
        return await self._exchange(journal, _turn_id(action), text, action, form)

    async def _come_back(self, journal: CallJournal, identity: CallIdentity, action: str, left: Verb) -> str | None:
        """Return from a colleague who did not answer, or after the tone."""
        await asyncio.sleep(self.rng.uniform(0, LONGEST_AWAY_SECONDS))
        self._is_coming_back = True
        if isinstance(left, Dial):
            status = self.rng.choice(DIAL_STATUSES)
            form = {"DialCallStatus": status, "DialCallSid": f"CA{self.rng.getrandbits(128):032x}"}
            text = status
        else:
            text, form = "", {}
            if "status=empty" not in action:
                form = {"RecordingUrl": f"https://recordings.example/{journal.call_sid}", "RecordingDuration": "7"}
        return await self._exchange(journal, _turn_id(action), text, action, identity.fields("in-progress", form))

    async def _listen(
        self, journal: CallJournal, exchange: Exchange, path: str, form: dict[str, str]
    ) -> tuple[bytes, str | None]:
        end = self._clock() + 90
        while self._clock() < end:
            answer = await self.provider.webhook(path, form, self.rng)
            exchange.retries += answer.retries
            exchange.sound_at = exchange.sound_at or self._clock()
            verbs = parse(answer.response.content)
            exchange.answer = " ".join(_said(verbs))
            left = next((verb for verb in verbs if isinstance(verb, Dial | Record)), None)
            gather = next((verb for verb in verbs if isinstance(verb, Gather)), None)
            if left is not None:
                self._left = left
                return answer.response.content, self._way_back(verbs, left)
            if gather is not None or any(isinstance(verb, Hangup) for verb in verbs):
                return answer.response.content, gather.action if gather is not None else None
            redirect = next((verb for verb in verbs if isinstance(verb, Redirect)), None)
            if redirect is None:
                journal.complain(f"{exchange.turn_id} was answered with nothing to do: {answer.response.text}")
                return answer.response.content, None
            path = redirect.url
            form = {name: it for name, it in form.items() if name not in ("SpeechResult", "Confidence")}
        raise NoAnswer(f"{exchange.turn_id} was never answered")

    def _way_back(self, verbs: list[Verb], left: Dial | Record) -> str | None:
        redirect = next((verb for verb in verbs if isinstance(verb, Redirect)), None)
        if isinstance(left, Record) and redirect is not None and self.rng.random() < EMPTY_SHARE:
            return redirect.url
        return left.action

    def settle(self, journal: CallJournal, exchange: Exchange, answer: str) -> None:
        """Note what was said by itself, before the answer, and whether the answer was right."""
        told, rest = told_in(answer), without_told(answer)
        is_back = exchange.is_return
        exchange.told = told[:-1] if is_back else told
        if is_back:
            self._settle_return(journal, exchange, told, rest)
        elif exchange.text or exchange.turn_id == "start":
            super().settle(journal, exchange, rest)
        else:
            exchange.answered_at, exchange.answer = self._clock(), rest
            exchange.heard = "reply" if rest in ("", APOLOGY) else "something else"
            if exchange.heard == "something else":
                journal.complain(f"{exchange.turn_id}, a silence, was answered {answer!r}")

    def _settle_return(self, journal: CallJournal, exchange: Exchange, told: list[Told], rest: str) -> None:
        exchange.answered_at = self._clock()
        exchange.sound_at = exchange.sound_at or exchange.answered_at
        exchange.answer = told[-1].sentence if told else rest
        expected = Told("transferred", exchange.text) if exchange.text else None
        is_right = bool(told) and (told[-1] == expected if expected else told[-1].kind == "recorded") and not rest
        exchange.heard = "reply" if is_right else "apology" if rest.endswith(APOLOGY) else "something else"
        if exchange.heard == "something else":
            journal.complain(f"{exchange.turn_id}, a return, was answered {told} {rest!r} in place of {expected}")

    def begin(self, journal: CallJournal, turn_id: str, text: str) -> Exchange:
        exchange = super().begin(journal, turn_id, text)
        exchange.is_return = self._is_coming_back
        self._is_coming_back = False
        return exchange


def _turn_id(action: str) -> str:
    """The id of the turn that comes by this action."""
    found = _TURN.search(action)
    return f"turn-{found[1]}" if found else action


def _said(verbs: list[Verb]) -> list[str]:
    """Everything that is said in a document."""
    said: list[str] = []
    for verb in verbs:
        prompts = verb.prompts if isinstance(verb, Gather) else [verb]
        said += [prompt.text for prompt in prompts if isinstance(prompt, Say)]
    return said
