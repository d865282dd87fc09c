"""Those who tell the secrets: by telephone, over the simulated provider, and by text, over the API."""

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path
from random import Random

import httpx
from canaries.canary import new_text
from canaries.plan import MODEL, Planting
from canaries.script import CUE, QUESTION, was_told
from soak.provider import NoAnswer, Provider, Refused
from support.deployment import PUBLIC_URL, TOKEN

from orchestrator.provider_simulator import (
    Asked,
    CallIdentity,
    Colleague,
    Colleagues,
    Event,
    PhoneLine,
    PlaybackSpeed,
    RetryPolicy,
    Said,
    Speaking,
    Waiting,
)
from orchestrator.provider_simulator.webhooks import new_client
from orchestrator.turns.outcome import APOLOGY

logger = logging.getLogger("canaries")

RETRY = RetryPolicy(on=frozenset({"ct", "rt", "5xx"}), total_seconds=60)
CALL_SECONDS = 60.0
MOST_TURNS = 12
MOST_CALLS = 8
PAUSE_SECONDS = 1.0
UNHEARD = ("number", "order", "say")
"""How a secret is told that no agent notes."""
"""A call may lose its line before the secret was told: then another one tells it."""
SPEED = PlaybackSpeed(characters_per_second=400)


class Callers:
    """Tells secrets to a deployment. `documents` are those that the provider got."""

    def __init__(self, provider: Provider, relays: list[str], told_file: Path, rng: Random) -> None:
        self.documents: list[bytes] = []
        self._provider = provider
        self._relays = relays
        self._told_file = told_file
        self._rng = rng

    async def tell(self, planting: Planting) -> bool:
        """Make calls until the agent was told, and return whether it was."""
        is_noted = planting.told_by not in UNHEARD and planting.to != MODEL
        for number in range(MOST_CALLS):
            is_over = await self._is_told_once(planting, number)
            if was_told(self._told_file, planting.canary.text) if is_noted else is_over:
                return True
            await asyncio.sleep(PAUSE_SECONDS)  # a process that was killed is being started
        return False

    async def _is_told_once(self, planting: Planting, number: int) -> bool:
        """Make one call, and return whether it came to its end."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._tell_once(planting)
        except (TimeoutError, NoAnswer, Refused) as error:
            logger.info("%s, call %d: %r", planting.canary.name, number + 1, error)
            return False
        return True

    async def _tell_once(self, planting: Planting) -> None:
        if planting.told_by == "order":
            await self._order(planting)
        elif planting.channel == "text":
            await self._write(planting)
        else:
            await self._call(planting)

    async def _order(self, planting: Planting) -> None:
        """Place a call, which nobody answers."""
        text = planting.canary.text
        is_number = planting.canary.kind == "numbers"
        body = {"to": text} if is_number else {"to": new_text("number", self._rng), "slots": {"about": text}}
        await self._provider.api("POST", "/calls", self._rng, json_body=body)

    async def _call(self, planting: Planting) -> None:
        ingresses = self._relays if planting.channel == "relay" else self._provider.ingresses
        caller = planting.canary.text if planting.told_by == "number" else new_text("number", self._rng)
        async with new_client() as client:
            client.event_hooks["response"].append(self._note)
            line = PhoneLine(
                self._rng.choice(ingresses), TOKEN, identity=CallIdentity(from_number=caller, to_number=planting.to),
                public_url=PUBLIC_URL, retry=RETRY, speed=SPEED, client=client,
                colleagues=Colleagues(rest=Colleague("does-not-answer")),
            )  # fmt: skip
            person = _Caller(line, planting)
            name = planting.canary.name
            async with aclosing(line.call()) as events:
                async for event in events:
                    person.on(event)
                    logger.debug("%s: %r", name, event)
                    if isinstance(event, Waiting):
                        line.move_to(self._rng.choice(ingresses))

    async def _note(self, response: httpx.Response) -> None:
        self.documents.append(await response.aread())

    async def _write(self, planting: Planting) -> None:
        path, canary, talk = f"/calls/{CallIdentity().call_sid}", planting.canary, _Talk(planting)
        numbers = {"to": planting.to} | ({"from": canary.text} if planting.told_by == "number" else {})
        text: str | None = "hello"
        for number in range(MOST_TURNS):
            body = {"turn_id": f"t{number}", "text": text, **numbers}
            if canary.is_sensitive and text == canary.text:
                body["sensitive"] = True
            answer = await self._provider.api("POST", f"{path}/turns", self._rng, json_body=body)
            if planting.told_by == "signal" and number == 0:
                signal = {"signal_id": "s1", "name": "told", "data": {"value": canary.text}}
                signal |= {"sensitive": True} if canary.is_sensitive else {}
                await self._provider.api("POST", f"{path}/signals", self._rng, json_body=signal)
            if planting.told_by == "say" and number == 0:
                await self._provider.api("POST", f"{path}/say", self._rng, json_body={"text": canary.text})
            if (text := talk.next(answer.response.json()["reply"]["text"])) is None:
                return


class _Talk:
    """What somebody says, one after the other: the secret only once the agent has asked for it."""

    def __init__(self, planting: Planting) -> None:
        self._way = f"please {planting.way}{' quietly' if planting.canary.is_sensitive else ''}"
        self._secret = planting.canary.text if planting.told_by in ("speech", "keys") else "nothing much"
        self._is_told = False
        self._asks = bool(planting.way)
        # An apology asks for the secret once more.
        self._rest = [] if planting.way == "die" else ["again", "and again"]

    def next(self, heard: str) -> str | None:
        """What follows on what the agent has said; None at the end."""
        if self._is_told:
            return self._rest.pop(0) if self._rest else None
        if self._asks and QUESTION not in heard:
            return self._way
        self._is_told = True
        return self._secret


class _Caller:
    """One caller by telephone: speaks when the agent has said its cue."""

    def __init__(self, line: PhoneLine, planting: Planting) -> None:
        self._line = line
        self._planting = planting
        self._talk = _Talk(planting)
        self._heard = ""

    def on(self, event: Event) -> None:
        """Do what the event asks for."""
        is_relay = self._planting.channel == "relay"
        match event:
            case Asked() if not is_relay:
                self._answer()
            case Speaking(text) if self._planting.way == "long" and text.strip().startswith("Number 3"):
                self._answer()  # in the middle of what repeats the secret
            case Said(text):
                self._heard += f" {text}"
                if is_relay and (CUE in self._heard or APOLOGY in self._heard):
                    self._answer()

    def _answer(self) -> None:
        words = self._talk.next(self._heard)
        self._heard = ""
        if words is None:
            self._line.hang_up()
        elif self._planting.told_by == "keys" and words == self._planting.canary.text:
            self._line.answer_keys(f"{words}#")
        else:
            self._line.answer_speech(words)
