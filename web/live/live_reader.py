"""Reads what goes on, once for everybody who looks at this ingress, and not at all while nobody does."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from orchestrator import clock
from orchestrator.errors import VoiceAgentError
from orchestrator.tasks import cancel_and_wait
from web.brief_cache import BriefCache
from web.findings import Findings
from web.health_checks import health_of
from web.ingress import Ingress
from web.live.live_calls import LiveCalls
from web.live.turn_durations import waiting

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
CATCH_UP_SECONDS = 0.1
"""Between readings while calls are due."""
FORGET_SECONDS = 30.0
"""What was read is kept for so long after the last look: callers' words are in it."""
CALLS_LATE = "The calls could not be read in time."


class LiveReader:
    """Reads the overview and the calls. Use it as a context manager: it owns the task that reads for streams."""

    def __init__(self, ingress: Ingress, findings: Findings) -> None:
        self._ingress = ingress
        self._findings = findings
        self.live_calls = LiveCalls(ingress.runtime.states)
        self._workers = BriefCache(self._read_workers, ingress.timeouts.overview)
        self._reading = asyncio.Lock()
        self._calls_read_at = -1.0
        self._looked_at = time.monotonic()
        self._held: list[dict[str, Any]] = []
        self._trouble: str | None = None
        self._overview: dict[str, Any] | None = None
        self._overview_at = -1.0
        self.overview_number = 0
        """It grows when the overview has changed but for its time."""
        self._lookers = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LiveReader":
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._task)

    async def overview(self) -> dict[str, Any]:
        """Return what goes on. What cannot be read is None, with a sentence in `trouble`."""
        asked_at = time.monotonic()
        self._look()
        async with self._reading:
            if self._overview is None or self._overview_at <= asked_at - self._ingress.timeouts.overview:
                await self._read()
        assert self._overview is not None
        return self._overview

    async def calls(self) -> LiveCalls:
        """Return the calls as they are now, all of them. Raise `StoreUnavailable`."""
        asked_at = time.monotonic()
        self._look()
        async with self._reading:
            while self._calls_read_at < asked_at or not self.live_calls.is_whole:
                await self._read_calls()
        return self.live_calls

    async def running_turns(self) -> list[dict[str, Any]]:
        """Return the turns that run in this process and in the workers."""
        workers = await self._workers.get() or []
        reported = [turn for worker in workers if not worker.get("lost") for turn in worker.get("turns") or []]
        return [*self._ingress.runtime.running_turns(), *reported]

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Have the reader read once a second within the block."""
        self._lookers += 1
        self._look()
        try:
            yield
        finally:
            self._lookers -= 1
            self._look()

    @property
    def news(self) -> asyncio.Event:
        """What is set after the next reading."""
        return self._news

    def _look(self) -> None:
        """Note that somebody looks: what is read is kept for a while."""
        self._looked_at = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="read what goes on")

    async def _run(self) -> None:
        while self._lookers or time.monotonic() - self._looked_at < FORGET_SECONDS:
            if self._lookers:
                await self._tick()
            behind = self._lookers and not self.live_calls.is_whole and self._trouble is None
            await asyncio.sleep(CATCH_UP_SECONDS if behind else TICK_SECONDS)
        async with self._reading:
            self.live_calls.clear()
            self._overview = None

    async def _tick(self) -> None:
        try:
            async with self._reading:
                await self._read()
        except Exception:
            logger.exception("What goes on could not be read; report this", extra={"action": "live.failed"})
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _read(self) -> None:
        health, trouble, processes, findings = await asyncio.gather(
            health_of(self._ingress), self._try_calls(), self._processes(), self._findings.described()
        )
        running = await self.running_turns()
        found = {
            "status": health.status,
            "checks": dict(health.checks),
            "findings": findings,
            "active": self.live_calls.active if trouble is None else None,
            "processes": processes,
            "turns": self.live_calls.latest_turns.stats(),
            "running": len(running),
            "waiting": waiting([*running, *self._held], clock.now()),
            "trouble": trouble,
        }
        self._trouble = trouble
        if self._overview is None or {**found, "at": self._overview["at"]} != self._overview:
            self.overview_number += 1
        self._overview = {"at": clock.utc_now().isoformat(), **found}
        self._overview_at = time.monotonic()

    async def _try_calls(self) -> str | None:
        """Read the calls. Return the sentence that says why that is not possible, or None."""
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                await self._read_calls()
        except (VoiceAgentError, TimeoutError) as error:
            return str(error) or CALLS_LATE
        return None

    async def _processes(self) -> list[dict[str, Any]] | None:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                return await self._ingress.runtime.processes()
        except (VoiceAgentError, TimeoutError):
            return None

    async def _read_calls(self) -> None:
        began, now = time.monotonic(), clock.now()
        read = self._ingress.runtime.read_waiting_calls
        waits = {} if read is None else await read()
        self._held = [{"call_sid": sid, "since": now - waited, "is_held": True} for sid, waited in waits.items()]
        await self.live_calls.read([*await self.running_turns(), *self._held], now)
        self._calls_read_at = began

    async def _read_workers(self) -> list[dict[str, Any]] | None:
        try:
            async with asyncio.timeout(self._ingress.timeouts.check):
                await self._ingress.runtime.watch()
                return await self._ingress.runtime.workers()
        except (VoiceAgentError, TimeoutError):
            return None
