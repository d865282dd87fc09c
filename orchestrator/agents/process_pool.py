"""Processes for agents: a few that run one turn at a time each, and one that suspects share."""

import asyncio
import logging

from orchestrator.agents.agent_process import AgentProcess
from orchestrator.settings import Settings

logger = logging.getLogger(__name__)

IDLE_SECONDS = 300.0
"""A process that has had nothing to do for so long is ended."""


class ProcessPool:
    """A process that was lost, or had to be killed, is replaced by the next one that is asked for. `name` is that of
    our own program, for their logs."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._room = asyncio.Semaphore(settings.agent_processes)
        self._idle: dict[AgentProcess, asyncio.TimerHandle] = {}
        self._all: set[AgentProcess] = set()
        self._shared: AgentProcess | None = None
        self._starting = asyncio.Lock()

    @property
    def size(self) -> int:
        """How many processes there are."""
        return sum(not process.is_lost for process in self._all)

    async def alone(self) -> AgentProcess:
        """A process that runs nothing else until it is given back. Waits for one to be free; may raise
        `AgentProcessFailed`."""
        await self._room.acquire()
        try:
            while self._idle:
                process, timer = self._idle.popitem()
                timer.cancel()
                if not process.is_lost:
                    return process
            return await self._started()
        except BaseException:
            self._room.release()
            raise

    async def shared(self) -> AgentProcess:
        """The process that suspects share. Raises `AgentProcessFailed`."""
        async with self._starting:
            if self._shared is None or self._shared.is_lost:
                self._shared = await self._started()
            return self._shared

    def give_back(self, process: AgentProcess) -> None:
        """What ran alone in the process has ended."""
        if process.is_lost:
            self._all.discard(process)
        else:
            timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle, process)
            self._idle[process] = timer
        self._room.release()

    def left(self, process: AgentProcess) -> None:
        """A run in the shared process has ended; without any it is ended after a while."""
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_shared, process)

    async def warm_up(self) -> None:
        """Have a process ready."""
        self.give_back(await self.alone())

    async def close(self) -> None:
        """End all of them."""
        for timer in self._idle.values():
            timer.cancel()
        for process in self._all:
            process.kill()
        for process in self._all:
            await process.closed()

    async def _started(self) -> AgentProcess:
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
