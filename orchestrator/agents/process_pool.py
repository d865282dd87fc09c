"""`ProcessPool`: processes that each run one turn at a time, and one process that suspected turns share."""

import asyncio
import logging

from orchestrator.agents.agent_process import AgentProcess
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

IDLE_SECONDS = 300.0
"""A process that has run nothing for this long is ended."""


class ProcessPool:
    """Starts processes when they are asked for, and uses them again. `name` is this program's, for their logs.

    At most `AGENT_PROCESSES` run one turn each. A suspected turn is one that was running when its worker was lost.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._room = asyncio.Semaphore(settings.agent_processes)
        self._idle: dict[AgentProcess, asyncio.TimerHandle] = {}
        self._all: set[AgentProcess] = set()
        self._shared: AgentProcess | None = None
        self._starting = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        """The number of processes."""
        return sum(not process.is_lost for process in self._all)

    async def acquire(self) -> AgentProcess:
        """Return a process that runs nothing else until it is released. Wait until one is free.

        Raise `AgentProcessFailed`.
        """
        await self._room.acquire()
        try:
            return self._take_idle() or await self._take_warming() or await self._start()
        except BaseException:
            self._room.release()
            raise

    def _take_idle(self) -> AgentProcess | None:
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            if not process.is_lost:
                return process
        return None

    async def _take_warming(self) -> AgentProcess | None:
        """Return the process that `warm_up` is starting, which is ready sooner than another one; for one turn only."""
        warming, self._warming = self._warming, None
        if warming is None:
            return None
        await asyncio.wait({warming})
        return self._take_idle()

    async def acquire_shared(self) -> AgentProcess:
        """Return the process that suspected turns share. Raise `AgentProcessFailed`."""
        async with self._starting:
            if self._shared is None or self._shared.is_lost:
                self._shared = await self._start()
            return self._shared

    def release(self, process: AgentProcess) -> None:
        """Take back a process from `acquire`. Its run has ended."""
        self._keep(process)
        self._room.release()

    def release_shared(self, process: AgentProcess) -> None:
        """Note that a run in the shared process has ended. If it runs nothing `IDLE_SECONDS` later, end it."""
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_shared, process)

    async def warm_up(self) -> None:
        """Start a process and keep it ready. Raise `AgentProcessFailed`."""
        warming = self._warming = asyncio.create_task(self._start_idle(), name="warm-up of an agent process")
        try:
            await warming
        finally:
            await cancel_and_wait(warming)
            if self._warming is warming:
                self._warming = None

    async def close(self) -> None:
        """End all processes."""
        for timer in self._idle.values():
            timer.cancel()
        for process in self._all:
            process.kill()
        for process in self._all:
            await process.closed()

    async def _start_idle(self) -> None:
        self._keep(await self._start())

    def _keep(self, process: AgentProcess) -> None:
        if process.is_lost:
            self._all.discard(process)
        else:
            self._idle[process] = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle, process)

    async def _start(self) -> AgentProcess:
        self._all = {process for process in self._all if not process.is_lost}
        process = AgentProcess()
        self._all.add(process)
        await process.start(self._settings, self._name)
        return process

    def _end_idle(self, process: AgentProcess) -> None:
        if self._idle.pop(process, None) is not None:
            process.kill()
            self._all.discard(process)

    def _end_shared(self, process: AgentProcess) -> None:
        if not process.runs and process is self._shared:
            process.kill()
            self._shared = None
