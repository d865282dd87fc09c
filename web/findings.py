"""What is wrong now, for everybody who looks, read at most once a second; and since when, though nobody looks."""

import asyncio
from contextlib import suppress
from typing import Any

from starlette.requests import Request

from orchestrator import clock
from orchestrator.errors import VoiceAgentError
from orchestrator.incidents.finding import CurrentFinding, current_findings, with_times
from orchestrator.incidents.incident import Incident
from orchestrator.tasks import cancel_and_wait
from web.brief_cache import BriefCache
from web.health_checks import health_of
from web.ingress import Ingress

KEEP_SECONDS = 30.0
"""So often the findings are read when nobody looks: whoever looks next sees since when they hold."""
MOST_INCIDENTS = 100
"""The latest incidents, which may be findings still."""


class Findings:
    """Reads the findings of an ingress, never raises, and has them read from time to time. An async context manager."""

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._keeping: asyncio.Task[None] | None = None
        self._since: dict[str, float] = {}
        self._cache = BriefCache(self._read, ingress.timeouts.fresh)

    async def __aenter__(self) -> "Findings":
        self._keeping = asyncio.create_task(self._keep(), name="findings")
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._keeping)

    async def current(self) -> list[CurrentFinding]:
        """Return what is wrong, the worst first."""
        return await self._cache.get()

    async def described(self) -> list[dict[str, Any]]:
        """Return the same as the API tells it."""
        return [finding.described() for finding in await self.current()]

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            await self.current()

    async def _read(self) -> list[CurrentFinding]:
        health, processes, incidents, waiting = await asyncio.gather(
            health_of(self._ingress), self._processes(), self._incidents(), self._waiting()
        )
        found = current_findings(health.checks, processes, incidents, clock.now(), waiting)
        return with_times(found, await self._times([it.id for it in found if it.since is None]))

    async def _processes(self) -> list[dict[str, Any]]:
        with suppress(VoiceAgentError, TimeoutError):
            async with asyncio.timeout(self._ingress.timeouts.check):
                return await self._ingress.runtime.processes() or []
        return []

    async def _incidents(self) -> list[Incident]:
        with suppress(VoiceAgentError, TimeoutError):
            async with asyncio.timeout(self._ingress.timeouts.check):
                return list((await self._ingress.runtime.incidents.log.page(MOST_INCIDENTS)).incidents)
        return []

    async def _waiting(self) -> list[str]:
        """Return the calls whose turns wait too long for a worker, the longest first."""
        read = self._ingress.runtime.read_waiting_calls
        with suppress(VoiceAgentError, TimeoutError):
            async with asyncio.timeout(self._ingress.timeouts.check):
                found = {} if read is None else await read()
                return sorted(found, key=lambda call_sid: found[call_sid], reverse=True)
        return []

    async def _times(self, ids: list[str]) -> dict[str, float]:
        """Return since when each finding is there. While the store is down, what this process has seen."""
        known = {name: self._since.get(name, clock.now()) for name in ids}
        with suppress(VoiceAgentError, TimeoutError):
            async with asyncio.timeout(self._ingress.timeouts.check):
                stored = await self._ingress.runtime.incidents.log.findings_since(ids)
                known = {name: min(at, known[name]) for name, at in zip(ids, stored, strict=True)}
        self._since = known
        return known


def findings_of(request: Request) -> Findings:
    """Return the findings of the ingress that received this request."""
    findings = request.app.state.findings
    assert isinstance(findings, Findings)
    return findings
