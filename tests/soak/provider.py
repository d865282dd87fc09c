"""How requests get to the deployment: to either ingress, again and again until somebody answers."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlencode

from soak.http import Broken, Response, request
from support.deployment import API_KEY, PUBLIC_URL, TOKEN
from twilio.request_validator import RequestValidator

from orchestrator.provider_simulator.webhooks import REQUEST_SECONDS

API_SECONDS = 30.0
"""Longer than an agent may take: what a client of the API should wait for."""
PATIENCE_SECONDS = 90.0


class NoAnswer(Exception):
    """No ingress gave an answer for as long as a caller is patient."""


class Refused(Exception):
    """An ingress refused the request (4xx)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how often it was asked for in vain."""

    response: Response
    retries: int


class Provider:
    """Sends what callers do. `overlong` counts requests without an answer in 15 s, or 30 s for the API; `unheard` are
    calls whose callers never heard a word, and which may have begun nevertheless."""

    def __init__(self, ingresses: list[str]) -> None:
        self.ingresses = ingresses
        self.retries = 0
        self.overlong = 0
        self.unheard: set[str] = set()
        self._signer = RequestValidator(TOKEN)

    async def webhook(self, path: str, form: Mapping[str, str], rng: Random) -> Answer:
        """Post a signed webhook; retries carry the same body."""
        signature = self._signer.compute_signature(PUBLIC_URL + path, dict(form))
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return await self._persistently("POST", path, rng, headers, urlencode(form).encode(), REQUEST_SECONDS)

    async def api(
        self, method: str, path: str, rng: Random, *, json_body: Any = None, accept: str = "application/json"
    ) -> Answer:
        """A request to the API."""
        headers = {"Authorization": f"Bearer {API_KEY}", "Accept": accept, "Content-Type": "application/json"}
        body = b"" if json_body is None else json.dumps(json_body).encode()
        return await self._persistently(method, path, rng, headers, body, API_SECONDS)

    async def _persistently(
        self, method: str, path: str, rng: Random, headers: Mapping[str, str], body: bytes, limit: float
    ) -> Answer:
        """The first answer below 500. Raises `Refused` and `NoAnswer`."""
        clock = asyncio.get_running_loop().time
        end, pause, tries = clock() + PATIENCE_SECONDS, 0.05, 0
        at = rng.randrange(len(self.ingresses))
        while clock() < end:
            url = self.ingresses[at % len(self.ingresses)] + path
            response = await self._try(method, url, headers, body, limit)
            if response is not None and response.status < 400:
                return Answer(response, tries)
            if response is not None and response.status < 500:
                raise Refused(f"{method} {path}: {response.status} {response.text[:200]}")
            at, tries, self.retries = at + 1, tries + 1, self.retries + 1
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 2)
        raise NoAnswer(f"{method} {path}: {tries} tries in {PATIENCE_SECONDS:g} s")

    async def _try(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, limit: float
    ) -> Response | None:
        try:
            async with asyncio.timeout(limit):
                return await request(method, url, headers=headers, body=body)
        except TimeoutError:
            self.overlong += 1
        except Broken:
            pass
        return None
