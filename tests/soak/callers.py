"""Simulated callers: one call after the other, some by phone, some over the API."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

from soak.journal import CallJournal, Exchange
from soak.provider import PATIENCE_SECONDS, NoAnswer, Provider, Refused
from soak.script import GOODBYE
from soak.speech import Speech
from support.waiting import wait_until

from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.twiml import BadTwiml, Gather, Hangup, Redirect, Say, parse
from orchestrator.turns.outcome import APOLOGY

LONGEST_CALL_TURNS = 30
THINKING_SECONDS = 0.6
COPIES_SHARE = 0.15
LATE_COPIES_SHARE = 0.05
UNREADABLE = (BadTwiml, ValueError, KeyError)
"""What reading an answer raises that is none."""
BUSY = "All lines are busy. Please call again later."


class Caller:
    """What both kinds of callers have in common: one object makes calls until `stop` is set."""

    channel = "gather"

    def __init__(
        self, provider: Provider, rng: Random, stop: asyncio.Event, new_speech: Callable[[Random], Speech] = Speech
    ) -> None:
        self.provider = provider
        self.speech = new_speech(rng)
        self._new_speech = new_speech
        self.rng = rng
        self.journals: list[CallJournal] = []
        self._stop = stop
        self._clock = asyncio.get_running_loop().time
        self._copies: set[asyncio.Task[None]] = set()

    async def call_for_ever(self) -> None:
        """Calls, one after the other; the one at hand is brought to its end."""
        await asyncio.sleep(self.rng.uniform(0, 2))
        while not self._stop.is_set():
            self.speech = self._new_speech(self.rng)
            call_sid = f"CA{self.rng.getrandbits(128):032x}"
            journal = CallJournal(call_sid, self.channel, desk=self.speech.desk)  # type: ignore[arg-type]
            self.journals.append(journal)
            try:
                await self._call(journal)
            except (NoAnswer, Refused) as error:
                journal.complain(str(error))
            except UNREADABLE as error:
                journal.complain(f"an answer could not be read: {error!r}")
            if journal.was_refused:
                await self._think()
            if self._copies:
                await asyncio.wait(self._copies)
        await asyncio.sleep(0)

    def was_answered(self, since: float) -> bool:
        """Whether something that was said after `since`, by the event loop's clock, has got its answer."""
        exchanges = [exchange for journal in self.journals for exchange in journal.exchanges]
        return any(exchange.sent_at >= since and exchange.answered_at is not None for exchange in exchanges)

    async def _call(self, journal: CallJournal) -> None:
        raise NotImplementedError

    async def _think(self) -> None:
        await asyncio.sleep(min(self.rng.expovariate(1 / THINKING_SECONDS), 5 * THINKING_SECONDS))

    def begin(self, journal: CallJournal, turn_id: str, text: str) -> Exchange:
        exchange = Exchange(turn_id, text, self._clock())
        journal.exchanges.append(exchange)
        return exchange

    def settle(self, journal: CallJournal, exchange: Exchange, answer: str) -> None:
        """Note what was heard, and whether it was right."""
        answer, expected = " ".join(answer.split()), self.speech.expected(exchange.text)
        exchange.answered_at = self._clock()
        exchange.sound_at = exchange.sound_at or exchange.answered_at
        exchange.answer = answer
        if answer in expected:
            exchange.heard = "reply"
        elif answer.endswith(APOLOGY):
            exchange.heard = "apology"
        elif answer == BUSY and journal.is_limited and not exchange.text:
            exchange.heard = "refused"
            return
        else:
            exchange.heard = "something else"
            journal.complain(f"{exchange.turn_id} was answered {answer!r} in place of {expected!r}")
        self.speech.settled(exchange.text, answer)

    def _own(self, copy: "asyncio.Task[None]") -> None:
        self._copies.add(copy)
        copy.add_done_callback(self._copies.discard)


class PhoneCaller(Caller):
    """Calls by signed webhooks, reads TwiML, follows redirects."""

    channel = "gather"

    async def _call(self, journal: CallJournal) -> None:
        identity = self.speech.identity(journal.call_sid)
        form = identity.fields("ringing")
        action: str | None = await self._exchange(journal, "start", "", "/twilio/voice", form)
        length, number = self.rng.randint(3, LONGEST_CALL_TURNS), 0
        while action is not None and number < length and not self._stop.is_set():
            await self._think()
            number += 1
            action = await self._say(journal, identity, number, action)
        if action is not None:
            await self._leave(journal, identity, number + 1, action)
        journal.over = True

    async def _say(self, journal: CallJournal, identity: CallIdentity, number: int, action: str) -> str | None:
        text = self.speech.utterance(number)
        form = identity.fields("in-progress", {"SpeechResult": text, "Confidence": "0.9"})
        return await self._exchange(journal, f"turn-{number}", text, action, form)

    async def _leave(self, journal: CallJournal, identity: CallIdentity, number: int, action: str) -> None:
        """By saying goodbye, by hanging up, or by hanging up in the middle of a turn."""
        way = self.rng.random()
        if way < 0.5:
            text = self.speech.utterance(number, " " + GOODBYE)
            form = identity.fields("in-progress", {"SpeechResult": text})
            await self._exchange(journal, f"turn-{number}", text, action, form)
        elif way < 0.65:
            await self._hang_up_on(journal, identity, number, action)
            return
        await self.provider.webhook("/twilio/status", identity.ended("completed", 60), self.rng)

    async def _hang_up_on(self, journal: CallJournal, identity: CallIdentity, number: int, action: str) -> None:
        text = self.speech.utterance(number)
        exchange = self.begin(journal, f"turn-{number}", text)
        exchange.heard = "abandoned"
        form = identity.fields("in-progress", {"SpeechResult": text})
        turn = asyncio.create_task(self.provider.webhook(action, form, Random(self.rng.random())))
        await asyncio.sleep(self.rng.uniform(0.02, 0.3))
        await self.provider.webhook("/twilio/status", identity.ended("completed", 60), self.rng)
        await asyncio.gather(turn, return_exceptions=True)

    async def _exchange(
        self, journal: CallJournal, turn_id: str, text: str, path: str, form: dict[str, str]
    ) -> str | None:
        """Send, listen until the answer is there; where the next turn goes, or None when the call is over."""
        exchange = self.begin(journal, turn_id, text)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        may_repeat = not (journal.is_limited and not text)  # a copy might find a line where the first found none
        if may_repeat and self.rng.random() < COPIES_SHARE:
            for _ in range(self.rng.randint(1, 2)):
                self._copy(journal, exchange, path, form, answered, self.rng.uniform(0, 0.3))
        try:
            document, action = await self._listen(journal, exchange, path, form)
        except BaseException:
            answered.cancel()
            raise
        answered.set_result(document)
        self.settle(journal, exchange, exchange.answer)
        if may_repeat and self.rng.random() < LATE_COPIES_SHARE:
            self._copy(journal, exchange, path, form, answered, self.rng.uniform(0, 3))
        return action

    async def _listen(
        self, journal: CallJournal, exchange: Exchange, path: str, form: dict[str, str]
    ) -> tuple[bytes, str | None]:
        end = self._clock() + 90
        while self._clock() < end:
            answer = await self.provider.webhook(path, form, self.rng)
            exchange.retries += answer.retries
            exchange.sound_at = exchange.sound_at or self._clock()
            verbs = parse(answer.response.content)
            gather = next((verb for verb in verbs if isinstance(verb, Gather)), None)
            redirect = next((verb for verb in verbs if isinstance(verb, Redirect)), None)
            if gather is None and redirect is not None:
                path = redirect.url
                form = {name: value for name, value in form.items() if name not in ("SpeechResult", "Confidence")}
                continue
            prompts = gather.prompts if gather is not None else verbs
            exchange.answer = " ".join(verb.text for verb in prompts if isinstance(verb, Say))
            over = any(isinstance(verb, Hangup) for verb in verbs)
            if gather is None and not over:
                journal.complain(f"{exchange.turn_id} was answered with neither a Gather nor a Hangup")
            return answer.response.content, gather.action if gather is not None else None
        raise NoAnswer(f"{exchange.turn_id} was never answered")

    def _copy(
        self, journal: CallJournal, exchange: Exchange, path: str, form: dict[str, str],
        answered: "asyncio.Future[bytes]", later: float,
    ) -> None:  # fmt: skip
        """The provider sends the same webhook once more, to any ingress; it must get the very same answer."""
        exchange.copies += 1
        rng = Random(self.rng.random())

        async def copy() -> None:
            await asyncio.sleep(later)
            answer = await self.provider.webhook(path, form, rng)
            verbs = parse(answer.response.content)
            is_filler = any(isinstance(v, Redirect) for v in verbs) and not any(isinstance(v, Gather) for v in verbs)
            await asyncio.wait({answered})
            if not is_filler and not answered.cancelled() and answer.response.content != answered.result():
                journal.complain(
                    f"a copy of {exchange.turn_id} was answered otherwise: {answer.response.content.decode()!r} "
                    f"in place of {answered.result().decode()!r}"
                )

        self._own(asyncio.create_task(_complaining(journal, copy())))


class ApiCaller(Caller):
    """Converses over the API, as JSON or as a stream of tokens."""

    channel = "api"

    async def _call(self, journal: CallJournal) -> None:
        length, number = self.rng.randint(3, LONGEST_CALL_TURNS), 0
        while number < length and not self._stop.is_set():
            number += 1
            await self._exchange(journal, f"t{number}", self.speech.utterance(number))
            await self._think()
        while True:  # an apology is no goodbye
            number += 1
            await self._exchange(journal, f"t{number}", self.speech.utterance(number, " " + GOODBYE))
            if journal.exchanges[-1].heard != "apology":
                break
        journal.over = True

    async def _exchange(self, journal: CallJournal, turn_id: str, text: str) -> None:
        exchange = self.begin(journal, turn_id, text)
        path = f"/calls/{quote(journal.call_sid)}/turns"
        body = {"turn_id": turn_id, "text": text}
        if self.speech.desk is not None:
            body["to"] = self.speech.desk.number
        if self.rng.random() < COPIES_SHARE:
            exchange.copies += 1
            rng = Random(self.rng.random())
            self._own(asyncio.create_task(_complaining(journal, self._copy(journal, exchange, path, body, rng))))
        if self.rng.random() < 0.5:
            answer, outcome = await self._streamed(journal, exchange, path, body)
        else:
            got = await self.provider.api("POST", path, self.rng, json_body=body)
            answer, outcome = got.response.json()["reply"]["text"], got.response.json()["outcome"]
        self.settle(journal, exchange, answer)
        if (outcome == "replied") != (exchange.heard == "reply"):
            journal.complain(f"{turn_id} was {outcome}, with the words {answer!r}")

    async def _copy(
        self, journal: CallJournal, exchange: Exchange, path: str, body: dict[str, str], rng: Random
    ) -> None:
        await asyncio.sleep(rng.uniform(0, 0.3))
        got = await self.provider.api("POST", path, rng, json_body=body)
        while exchange.answered_at is None and not journal.complaints:
            await asyncio.sleep(0.05)
        again = " ".join(got.response.json()["reply"]["text"].split())
        if exchange.answered_at is not None and again != exchange.answer:
            journal.complain(f"a copy of {exchange.turn_id} was answered otherwise: {got.response.text}")

    async def _streamed(
        self, journal: CallJournal, exchange: Exchange, path: str, body: dict[str, str]
    ) -> tuple[str, str]:
        """The reply by server-sent events: what the tokens say must be the beginning of it."""
        end = self._clock() + 90
        while self._clock() < end:
            got = await self.provider.api("POST", path, self.rng, json_body=body, accept="text/event-stream")
            events = _events(got.response.text)
            spoken = "".join(content for name, content in events if name == "token")
            reply = next((content for name, content in events if name == "reply"), None)
            if reply is not None:
                text = reply["reply"]["text"]
                # An apology follows whatever a worker had said before it was lost.
                if not (text.startswith(spoken) or (text.endswith(APOLOGY) and spoken.endswith(text))):
                    journal.complain(f"{exchange.turn_id} was spoken as {spoken!r}, and answered {reply!r}")
                return reply["reply"]["text"], reply["outcome"]
            exchange.retries += 1
            await asyncio.sleep(0.1)
        raise NoAnswer(f"{exchange.turn_id}: no stream came to its end")


async def all_answered(callers: Sequence[Caller]) -> None:
    """Until each of them has got an answer to something said from here on; or AssertionError."""
    now = asyncio.get_running_loop().time()
    await wait_until(
        lambda: all(caller.was_answered(now) for caller in callers), "every caller is answered", PATIENCE_SECONDS
    )


def _events(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


async def _complaining(journal: CallJournal, work: Awaitable[None]) -> None:
    try:
        await work
    except (NoAnswer, Refused, *UNREADABLE) as error:
        journal.complain(f"a copy: {error!r}")
