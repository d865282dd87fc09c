"""Keeps several programs running in one terminal, and stops them in order."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from orchestrator.cli.program import CannotStart, Print, ProcessKeeper, Program, RestartTimings
from orchestrator.tasks import cancel_and_wait

KILLED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Ready = Callable[[], Awaitable[None]]
"""Return when the programs of a stage can be used."""
Stage = tuple[Sequence[Program], Ready | None]
"""Programs that start and stop together."""


class Supervisor:
    """Starts stage after stage and stops them in the reverse order, the programs of one stage together.

    The first SIGINT, SIGTERM or SIGHUP stops everything cleanly, a second one kills what is left.
    """

    def __init__(self, log: Print, say: Callable[[str], None], timings: RestartTimings | None = None) -> None:
        self._timings = timings or RestartTimings()
        self._log = log
        self._say = say
        self._stages: list[list[ProcessKeeper]] = []
        self._tasks: dict[asyncio.Task[None], ProcessKeeper] = {}
        self._stop = asyncio.Event()
        self._killed = False
        self._failed = asyncio.Event()

    async def run(self, stages: Sequence[Stage], welcome: Ready) -> int:
        """Run `stages`, then `welcome`, until a signal. Return the exit code: 0, 1 (cannot start) or 130 (killed)."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        try:
            await self._until_stopped(self._start(stages, welcome))
            await self._stop_all()
        finally:
            await self._kill_all()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        if self._killed:
            return KILLED
        return 1 if self._failed.is_set() else 0

    @asynccontextmanager
    async def running(self, stages: Sequence[Stage]) -> AsyncIterator[None]:
        """Run `stages` while the block lasts; what happens on signals is its business. Raise `CannotStart`."""
        try:
            starting = asyncio.create_task(self._start(stages, _nothing))
            stopping = asyncio.create_task(self._stop.wait())
            try:
                await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not starting.done():
                    raise CannotStart("A program cannot be started: what it says is above.")
                starting.result()
            finally:
                await cancel_and_wait(starting, stopping)
            yield
            await self._stop_all()
        finally:
            await self._kill_all()

    def _on_signal(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            self._say("stopping (a second Ctrl-C kills)")
            return
        self._killed = True
        for keeper in self._tasks.values():
            keeper.kill()

    async def _start(self, stages: Sequence[Stage], welcome: Ready) -> None:
        for programs, ready in stages:
            keepers = [ProcessKeeper(program, self._log, self._say, self._timings) for program in programs]
            self._stages.append(keepers)
            for keeper in keepers:
                task = asyncio.create_task(keeper.keep(), name=keeper.program.name)
                self._tasks[task] = keeper
                task.add_done_callback(self._on_done)
            if ready is not None:
                await ready()
        await welcome()

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            self._say(str(error) if isinstance(error, CannotStart) else f"{task.get_name()}: {error!r}")
            self._failed.set()
            self._stop.set()

    async def _until_stopped(self, starting: Awaitable[None]) -> None:
        start = asyncio.ensure_future(starting)
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
            await stop
        finally:
            start.cancel()
            stop.cancel()
            await asyncio.gather(start, stop, return_exceptions=True)

    async def _stop_all(self) -> None:
        for stage in reversed(self._stages):
            await asyncio.gather(*(keeper.stop() for keeper in stage))

    async def _kill_all(self) -> None:
        for task, keeper in self._tasks.items():
            keeper.kill()
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _nothing() -> None:
    """Do nothing once all has started."""
