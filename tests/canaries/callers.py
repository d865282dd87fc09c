"""Those who tell the secrets: by telephone, over the simulated provider, and by text, over the API."""

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path
from random import Random

import httpx
from canaries.canary import new_text
from canaries.plan import Planting
from canaries.script import CUE, was_told
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
MOST_CALLS = 8
PAUSE_SECONDS = 1.0
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
        for number in range(MOST_CALLS):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    await (self._write(planting) if planting.channel == "text" else self._call(planting))
            except (TimeoutError, NoAnswer, Refused) as error:
                logger.info("%s, call %d: %r", planting.canary.name, number + 1, error)
            if planting.told_by == "number" or not planting.way or was_told(self._told_file, planting.canary.text):
                return True
            await asyncio.sleep(PAUSE_SECONDS)  # a process that was killed is being started
        return False

    def _steps(self, planting: Planting) -> list[str]:
        quietly = " quietly" if planting.canary.is_sensitive else ""
        secret = planting.canary.text if planting.told_by in ("speech", "keys") else "nothing much"
        asked = [f"please {planting.way}{quietly}", secret]
        return asked if planting.way == "die" else [*asked, "again", "and again"]  # an apology asks for it once more

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
            person = _Caller(line, planting, self._steps(planting))
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
        call_sid, canary = CallIdentity().call_sid, planting.canary
        secret = canary.text if planting.told_by == "speech" else "nothing much"
        path = f"/calls/{call_sid}"
        numbers = {"to": planting.to} | ({"from": canary.text} if planting.told_by == "number" else {})
        said = ["hello", *self._steps(planting)] if planting.way else ["hello", secret, "again"]
        for number, text in enumerate(said):
            body = {"turn_id": f"t{number}", "text": text, **numbers}
            if canary.is_sensitive and text == canary.text:
                body["sensitive"] = True
            await self._provider.api("POST", f"{path}/turns", self._rng, json_body=body)
            if planting.told_by == "signal" and number == 0:
                signal = {"signal_id": "s1", "name": "told", "data": {"value": canary.text}}
                signal |= {"sensitive": True} if canary.is_sensitive else {}
                await self._provider.api("POST", f"{path}/signals", self._rng, json_body=signal)


class _Caller:
    """One caller by telephone: gives the next answer when the agent has said its cue, and hangs up after the last."""

    def __init__(self, line: PhoneLine, planting: Planting, steps: list[str]) -> None:
        self._line = line
        self._planting = planting
        self._steps = steps
        self._heard = ""

    def on(self, event: Event) -> None:
        """Do what the event asks for."""
        is_relay = self._planting.channel == "relay"
        match event:
            case Asked() if not is_relay:
                self._answer()
            case Speaking(text) if self._planting.way == "long" and text.strip().startswith("Number 3"):
                self._answer()  # in the middle of what repeats the secret
            case Said(text) if is_relay:
                self._heard += f" {text}"
                if CUE in self._heard or APOLOGY in self._heard:
                    self._answer()

    def _answer(self) -> None:
        self._heard = ""
        if not self._steps:
            self._line.hang_up()
            return
        step = self._steps.pop(0)
        by_keys = self._planting.told_by == "keys" and step == self._planting.canary.text
        self._line.answer_keys(f"{step}#") if by_keys else self._line.answer_speech(step)
