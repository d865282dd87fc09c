"""Turns of many tenants, handed to workers through Redis: this process has an ingress's runtime.

Wants the product's settings in the environment, `ROUTES` with several tenants, and workers with
`AGENT=benchmarks.agents:empty`.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from uuid import uuid4

from benchmarks.agents import TAKE_FIVE_SECONDS
from benchmarks.driver import Line
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.opening import open_runtime
from orchestrator.runtime import Runtime
from orchestrator.settings import load_settings

NOISY = "noisy"
QUIET = tuple(f"quiet{number}" for number in range(10))
ANSWER_SECONDS = 25.0


def routes() -> str:
    """The text of a routes.toml: a number for each tenant."""
    return (
        "\n".join(
            f'[[routes]]\nnumber = "+1555000{number:04}"\nagent = "empty"\ntenant = "{tenant}"\n'
            for number, tenant in enumerate((NOISY, *QUIET))
        )
        + '\n[agents.empty]\nagent = "benchmarks.agents:empty"\n'
    )


class Tenants:
    """Each turn begins a call."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._numbers = count()

    async def quiet(self, slot: int) -> float:
        """A turn of one of the quiet tenants, until its reply is here."""
        turn, tenant = self._turn("hello"), QUIET[next(self._numbers) % len(QUIET)]
        began = time.perf_counter()
        pending = await self._runtime.dispatcher.submit(turn, opening=self._opening(tenant))
        if await pending.wait(ANSWER_SECONDS) is None:
            raise TimeoutError
        return time.perf_counter() - began

    async def noisy(self, slot: int) -> None:
        """A turn of the noisy tenant, whose agent takes five seconds; nobody waits for its reply."""
        await self._runtime.dispatcher.submit(self._turn(TAKE_FIVE_SECONDS), opening=self._opening(NOISY))

    @staticmethod
    def _turn(text: str) -> Turn:
        return Turn(turn_id="t0", call_sid=f"CA{uuid4().hex}", kind="speech", text=text)

    @staticmethod
    def _opening(tenant: str) -> dict[str, str]:
        return {"channel": "api", "direction": "inbound", "agent": "empty", "tenant": tenant}


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`quiet` and `noisy`."""
    async with open_runtime(load_settings()) as runtime:
        tenants = Tenants(runtime)
        yield {"quiet": tenants.quiet, "noisy": tenants.noisy}
