"""What the dashboard shows: read from the stores at most once a second, however many people look."""

import asyncio
import logging
import time
from typing import Any

from orchestrator import clock
from orchestrator.errors import VoiceAgentError
from web.dashboard.figures import LatestTurns, chosen, summary, waiting
from web.dashboard.staff import Staff, concern
from web.health_checks import health_of
from web.ingress import Ingress
from web.states import read_states

logger = logging.getLogger(__name__)

FRESH_SECONDS = 0.8
MOST_CALLS = 60
"""The calls shown: those that did something last, and each of them until it ends. Figures of turns are of these."""


class Board:
    """The latest look at the system, shared by all who ask."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._looking = asyncio.Lock()
        self._seen: dict[str, Any] = {}
        self._seen_at = -FRESH_SECONDS
        self._staff = Staff()
        self._turns = LatestTurns()
        self._shown: list[str] = []

    async def look(self) -> dict[str, Any]:
        """What goes on, not older than a second. Whatever cannot be known is None, with a sentence in `trouble`."""
        async with self._looking:
            if time.monotonic() - self._seen_at >= FRESH_SECONDS:
                self._seen = await self._read()
                self._seen_at = time.monotonic()
            return self._seen

    async def _read(self) -> dict[str, Any]:
        health, calls, workers = await asyncio.gather(health_of(self._ingress), self._calls(), self._workers())
        concerned = concern(workers or [])
        running = self._running(workers or [])
        return {
            "at": clock.utc_now().isoformat(),
            "status": "degraded" if concerned and health.status == "healthy" else health.status,
            "concern": concerned,
            "checks": dict(health.checks),
            "workers": workers,
            "running": running,
            "waiting": waiting(running, clock.now()),
            **calls,
        }

    async def _calls(self) -> dict[str, Any]:
        states = self._ingress.runtime.states
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                call_sids = await states.get_all_call_sids()
                ended = [sid for sid in self._shown if sid not in set(call_sids)]
                self._shown = chosen(self._shown, call_sids)
                found = await read_states(states, [*self._shown, *ended])
        except (VoiceAgentError, TimeoutError) as error:
            sentence = str(error) or "The calls could not be read in time."
            return {"active": None, "calls": None, "turns": None, "trouble": sentence}
        self._turns.add(found)  # of calls that have ended since the last look, too
        found = sorted((s for s in found if s.is_active), key=lambda state: state.created_at, reverse=True)
        shown = [summary(state) for state in found]
        return {"active": len(call_sids), "calls": shown, "turns": self._turns.figures(), "trouble": None}

    async def _workers(self) -> list[dict[str, Any]] | None:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                await self._ingress.runtime.watch()
                workers = await self._ingress.runtime.workers()
        except (VoiceAgentError, TimeoutError):
            return None
        return None if workers is None else self._staff.seen(workers, clock.now())

    def _running(self, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What is being answered: in this process, or as the workers say."""
        told = [turn for worker in workers if worker["state"] == "alive" for turn in worker.pop("turns", None) or []]
        return [*self._ingress.runtime.running_turns(), *told]
