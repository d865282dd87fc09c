"""A caller by phone who asks a given ingress, so that a test decides which process hears of what."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
from support.deployment import API_KEY, PUBLIC_URL, TOKEN, Deployment
from support.ingress import redirect_of, said
from twilio.request_validator import RequestValidator

from orchestrator.provider_simulator.identity import CallIdentity

MOST_REDIRECTS = 20


async def lost(asked: Awaitable[httpx.Response]) -> None:
    """Wait for the end of a webhook whose ingress is killed: no answer, or a filler first, on a slow machine."""
    with suppress(httpx.TransportError):
        answer = await asked
        assert "<Redirect" in answer.text, answer.text


class Line:
    """One call. `at` is the number of the ingress that is asked."""

    def __init__(self, deployment: Deployment, call_sid: str = "CA1") -> None:
        self.call_sid = call_sid
        self._ingresses = deployment.ingresses
        self._identity = CallIdentity(call_sid)

    async def post(self, path: str, at: int = 0, **fields: str) -> httpx.Response:
        """One signed webhook."""
        form = self._identity.fields(fields.pop("CallStatus", "in-progress"), fields)
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + path, form)
        async with self._client(at) as client:
            return await client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    async def ring(self, at: int = 0) -> httpx.Response:
        """The call comes in."""
        return await self.post("/twilio/voice", at, CallStatus="ringing")

    async def say(self, number: int, words: str, at: int = 0) -> httpx.Response:
        """The caller's n-th turn."""
        return await self.post(f"/twilio/turn/{number}", at, SpeechResult=words)

    async def hang_up(self, at: int = 0) -> httpx.Response:
        """The provider says that the call is over."""
        return await self.post("/twilio/status", at, CallStatus="completed")

    async def hear(self, answer: httpx.Response, at: int = 0) -> ElementTree.Element:
        """The document that `answer` comes down to: fillers are listened to, and redirects followed."""
        for _ in range(MOST_REDIRECTS):
            assert answer.status_code == 200, answer.text
            document = ElementTree.fromstring(answer.text)
            if document.find("Gather") is not None or document.find("Hangup") is not None:
                return document
            answer = await self.post(redirect_of(document), at)
        raise AssertionError(f"{MOST_REDIRECTS} fillers in a row")

    async def words(self, answer: httpx.Response, at: int = 0) -> str:
        """What the caller hears in the end."""
        return said(await self.hear(answer, at))

    async def state(self, at: int = 0) -> dict[str, Any]:
        """The state of the call, by the API."""
        state: dict[str, Any] = await self.ask(f"/calls/{quote(self.call_sid)}", at)
        return state

    async def ask(self, path: str, at: int = 0) -> Any:
        """What the API answers."""
        async with self._client(at) as client:
            answer = await client.get(path, headers={"Authorization": f"Bearer {API_KEY}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def recorded(self, at: int = 0) -> list[tuple[str, str]]:
        """The turns in the state: id and outcome."""
        return [(turn["turn_id"], turn["outcome"]) for turn in (await self.state(at))["turns"]]

    def _client(self, at: int) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._ingresses[at], timeout=60)
