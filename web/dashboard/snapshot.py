"""What the dashboard shows: read from the stores about once a second, however many people look at it."""

import asyncio
from typing import Any

from orchestrator import clock
from orchestrator.errors import VoiceAgentError
from web.brief_cache import BriefCache
from web.dashboard.stats import LatestTurns, calls_to_show, summary, waiting
from web.dashboard.worker_history import WorkerHistory, worker_warning
from web.health_checks import health_of
from web.ingress import Ingress
from web.states import read_states

MOST_CALLS = 60
"""How many calls are shown: those with the latest turns, each until it ends. The statistics are of their turns."""


class Snapshot:
    """Reads the state of the system for everybody who looks at the dashboard."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._cache = BriefCache(self._read, ingress.timeouts.dashboard)
        self._worker_history = WorkerHistory()
        self._turns = LatestTurns()
        self._shown: list[str] = []

    async def read(self) -> dict[str, Any]:
        """Return the content of `/dashboard/data`. What cannot be read is None, with a sentence in `trouble`."""
        return await self._cache.get()

    async def _read(self) -> dict[str, Any]:
        health, calls, workers = await asyncio.gather(health_of(self._ingress), self._calls(), self._workers())
        warning = worker_warning(workers or [])
        running = self._running(workers or [])
        return {
            "at": clock.utc_now().isoformat(),
            "status": "degraded" if warning and health.status == "healthy" else health.status,
            "concern": warning,
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
                self._shown = calls_to_show(self._shown, call_sids, MOST_CALLS)
                found = await read_states(states, [*self._shown, *ended])
        except (VoiceAgentError, TimeoutError) as error:
            sentence = str(error) or "The calls could not be read in time."
            return {"active": None, "calls": None, "turns": None, "trouble": sentence}
        self._turns.add(found)  # also of calls that have ended since the last reading
        found = sorted((s for s in found if s.is_active), key=lambda state: state.created_at, reverse=True)
        shown = [summary(state) for state in found]
        return {"active": len(call_sids), "calls": shown, "turns": self._turns.stats(), "trouble": None}

    async def _workers(self) -> list[dict[str, Any]] | None:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                await self._ingress.runtime.watch()
                workers = await self._ingress.runtime.workers()
        except (VoiceAgentError, TimeoutError):
            return None
        return None if workers is None else self._worker_history.update(workers, clock.now())

    def _running(self, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the turns that run in this process and in the workers."""
        reported = [
            turn for worker in workers if worker["state"] == "alive" for turn in worker.pop("turns", None) or []
        ]
        return [*self._ingress.runtime.running_turns(), *reported]
