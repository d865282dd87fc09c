"""Freezes processes so that they run again whatever becomes of this one."""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from orchestrator.chaos import thawer
from orchestrator.chaos.local_process import LocalProcess, ProcessGone, held, send

ANSWER_SECONDS = 10.0


class Freezer:
    """Freezes and thaws. An asynchronous context manager: at its end everything runs again."""

    def __init__(self) -> None:
        self._thawer: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> "Freezer":
        self._thawer = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IS",
            str(Path(thawer.__file__)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process, requests, _answers = self._opened()
        requests.close()  # then it thaws what is left, and ends
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def freeze(self, process: LocalProcess, seconds: float) -> None:
        """Stop the process for so long. Raise `ProcessGone` if it has ended, or ends meanwhile."""
        with held(process) as descriptor:
            await self._tell(f"+{process.pid}")
            try:
                send(descriptor, signal.SIGSTOP)
                await asyncio.sleep(seconds)
            finally:
                with suppress(ProcessGone):
                    send(descriptor, signal.SIGCONT)
                await self._tell(f"-{process.pid}")

    async def _tell(self, line: str) -> None:
        """Have the other process know it. Without its answer nothing is frozen."""
        _, requests, answers = self._opened()
        async with self._asking, asyncio.timeout(ANSWER_SECONDS):
            requests.write(f"{line}\n".encode())
            await requests.drain()
            if not await answers.readline():
                raise ConnectionResetError("the process that thaws has ended")

    def _opened(self) -> tuple[asyncio.subprocess.Process, asyncio.StreamWriter, asyncio.StreamReader]:
        process = self._thawer
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("enter the context first")
        return process, process.stdin, process.stdout
