"""Callers who want to talk: each begins a call, takes its turns with pauses, and begins another.

One who is refused tries again after a pause.

Wants `WEB_URL`: a server of the product with `TWILIO_AUTH_TOKEN` as in the environment, and workers with
`AGENT=benchmarks.agents:empty`.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from benchmarks.agents import TAKE_A_QUARTER
from benchmarks.contenders.http_client import Connections
from benchmarks.contenders.webhook_forms import WebhookForms, new_call
from benchmarks.driver import Line

TURNS_A_CALL = 6
THINK_SECONDS = 1.0
ARRIVAL_SECONDS = 20.0
"""Within so long all callers call for the first time: more than the workers can answer is seen once they speak."""
REFUSED = b"<Reject"


class Callers:
    """Each slot is one caller."""

    def __init__(self, server: Connections, url: str) -> None:
        self._server = server
        self._forms = WebhookForms(server, url)
        self._calls: dict[int, list[bytes]] = {}
        self._chance = random.Random(1)

    @property
    def _pause(self) -> float:
        return THINK_SECONDS * self._chance.uniform(0.5, 1.5)

    async def step(self, slot: int) -> float:
        """Take the next turn of the caller's call, which is begun before if there is none.

        Return how long the turn took; or, negative, how long the refusal of a call took.
        """
        is_first = slot not in self._calls
        await asyncio.sleep(self._chance.uniform(0, ARRIVAL_SECONDS) if is_first else self._pause)
        if not self._calls.setdefault(slot, []):
            identity = new_call()
            began = time.perf_counter()
            answer = await self._server.send(self._forms.voice(identity))
            if REFUSED in answer:
                return began - time.perf_counter()
            self._calls[slot] = self._forms.turns(identity, TURNS_A_CALL, TAKE_A_QUARTER)[::-1]
            await asyncio.sleep(self._pause)
        request = self._calls[slot].pop()
        began = time.perf_counter()
        await self._server.send(request)
        return time.perf_counter() - began


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`step`."""
    url = os.environ["WEB_URL"]
    web = Connections(url)
    try:
        yield {"step": Callers(web, url).step}
    finally:
        web.close()
