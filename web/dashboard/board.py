"""What the dashboard shows: read from the stores at most once a second, however many people look."""

import asyncio
import logging
import time
from typing import Any

from orchestrator import clock
from orchestrator.errors import VoiceAgentError
from web.dashboard.figures import summary, turn_figures
from web.ingress import Ingress
from web.states import read_states
from web.vitals import judge

logger = logging.getLogger(__name__)

FRESH_SECONDS = 0.8
MOST_CALLS = 60
"""The calls shown: those that did something last. Figures of turns are of these."""


class Board:
    """The latest look at the system, shared by all who ask."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._looking = asyncio.Lock()
        self._seen: dict[str, Any] = {}
        self._seen_at = -FRESH_SECONDS

    async def look(self) -> dict[str, Any]:
        """What goes on, not older than a second. Whatever cannot be known is None, with a sentence in `trouble`."""
        async with self._looking:
            if time.monotonic() - self._seen_at >= FRESH_SECONDS:
                self._seen = await self._read()
                self._seen_at = time.monotonic()
            return self._seen

    async def _read(self) -> dict[str, Any]:
        health, calls, workers = await asyncio.gather(judge(self._ingress), self._calls(), self._workers())
        return {
            "at": clock.utc_now().isoformat(),
            "status": health.status,
            "checks": dict(health.checks),
            "workers": workers,
            **calls,
        }

    async def _calls(self) -> dict[str, Any]:
        states = self._ingress.runtime.states
        try:
            async with asyncio.timeout(self._ingress.pace.check):
                call_sids = await states.get_all_call_sids()
                found = await read_states(states, call_sids[-MOST_CALLS:])
        except (VoiceAgentError, TimeoutError) as error:
            sentence = str(error) or "The calls could not be read in time."
            return {"active": None, "calls": None, "turns": None, "trouble": sentence}
        found = sorted((s for s in found if s.is_active), key=lambda state: state.created_at, reverse=True)
        shown = [summary(state) for state in found]
        return {"active": len(call_sids), "calls": shown, "turns": turn_figures(found), "trouble": None}

    async def _workers(self) -> list[dict[str, Any]] | None:
        try:
            async with asyncio.timeout(self._ingress.pace.check):
                return await self._ingress.runtime.roster()
        except (VoiceAgentError, TimeoutError):
            return None
