"""`AgentProcess` and its `RemoteRun`s: a process that runs agents, seen from the parent that started it."""

import asyncio
import base64
import contextlib
import logging
import os
import pickle
import socket
import sys
from itertools import count
from typing import Any

from orchestrator import tracing
from orchestrator.agents.process_frames import WINDOW, Frame, packed, read_frame
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import AgentProcessFailed
from orchestrator.process_metrics.catalog import add_counts
from orchestrator.process_metrics.changes import counts_of_texts
from orchestrator.settings import Settings

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
PING_SECONDS = 0.5
MISSED_PINGS = 5
"""A process is frozen when it has missed this many pings in a row. Like probes, they are counted, not timed."""
END_SECONDS = 5.0


class RemoteRun:
    """One run in a child process: the frames that the child sends of it. None means that the child is gone."""

    def __init__(self, process: "AgentProcess", number: int) -> None:
        self.process = process
        self._number = number
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._taken = 0

    def add(self, frame: Frame | None) -> None:
        """Add a frame that has arrived."""
        self._frames.put_nowait(frame)

    async def next_frame(self) -> Frame | None:
        """Return the next frame. If it is a part, the child may send another one ahead."""
        frame = await self._frames.get()
        if frame is not None and "part" in frame:
            self._taken += 1
            if self._taken == WINDOW // 2:
                self.process.send({"took": self._number, "parts": self._taken})
                self._taken = 0
        return frame

    async def last_frame(self) -> Frame | None:
        """Return the frame that ends the run. Drop the parts before it."""
        while (frame := await self._frames.get()) is not None and "part" in frame:
            pass
        return frame

    def cancel(self) -> None:
        """Cancel the agent. The child answers `stopped`."""
        self.process.send({"cancel": self._number})

    def leave(self) -> None:
        """Ignore further frames."""
        self.process.runs.pop(self._number, None)


class AgentProcess:
    """One child process, and the runs in it that were not left, by number."""

    def __init__(self) -> None:
        self.runs: dict[int, RemoteRun] = {}
        self.is_lost = False
        self.lost_with_others = False
        """True if more than one run was lost with the process, or if another run was to blame."""
        self._numbers = count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._reaping: asyncio.Task[None] | None = None
        self._missed = 0
        self._pinging: asyncio.Task[None] | None = None

    async def start(self, settings: Settings, name: str) -> None:
        """Start the process, and return when it has loaded the agent. `name` is this program's, for the child's log.

        Raise `AgentProcessFailed`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                reader = await self._spawn()
                self.send(
                    {"settings": base64.b64encode(pickle.dumps(settings)).decode(), "path": sys.path, "process": name}
                )
                answer = await read_frame(reader)
        except (OSError, TimeoutError) as error:
            self.kill()
            raise AgentProcessFailed(
                f"No process could be started for the agent: {error or 'it took too long'}"
            ) from None
        except BaseException:
            self.kill()
            raise
        if answer is None or "ready" not in answer:
            self.kill()
            raise AgentProcessFailed((answer or {}).get("unable", "A process for the agent ended while it started."))
        self._reading = asyncio.create_task(self._read(reader), name="agent process")
        self._pinging = asyncio.create_task(self._ping(), name="agent process's pings")

    def begin(self, turn: Turn, state: ConversationState) -> RemoteRun:
        """Run the agent for `turn`."""
        number = next(self._numbers)
        run = self.runs[number] = RemoteRun(self, number)
        if self.is_lost:
            run.add(None)
        else:
            frame = {"begin": number, "turn": turn.model_dump(mode="json"), "state": state.model_dump(mode="json")}
            if (traceparent := tracing.traceparent()) is not None:
                frame["traceparent"] = traceparent
            self.send(frame)
        return run

    def send(self, frame: Frame) -> None:
        """Send a frame to the child. Do nothing if the child is gone."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(packed(frame))

    def kill(self, *, blames_nobody: bool = False) -> None:
        """Kill the process, and end its runs with None. With `blames_nobody` none of them is to blame."""
        self._lose(blames_nobody=blames_nobody)
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._writer is not None:
            self._writer.close()
        for task in (self._pinging, self._reading):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if self._process is not None and self._reaping is None:
            self._reaping = asyncio.create_task(self._reap(self._process), name="end of an agent process")

    async def closed(self) -> None:
        """Wait until the process has ended, for `END_SECONDS` at most."""
        if self._reaping is not None:
            await asyncio.wait({self._reaping}, timeout=END_SECONDS)

    async def _spawn(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "orchestrator.agents.process_child", str(theirs.fileno()), str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        reader, self._writer = await asyncio.open_connection(sock=ours)
        return reader

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while (frame := await read_frame(reader)) is not None:
            if "pong" in frame:
                self._missed = 0
                continue
            if "counts" in frame:
                add_counts(counts_of_texts(frame["counts"]))
                continue
            number = next((int(frame[key]) for key in ("part", "end", "stopped", "error") if key in frame), 0)
            if (run := self.runs.get(number)) is not None:
                run.add(frame)
        self.kill()

    async def _ping(self) -> None:
        """Kill a child that has several runs and answers no ping: one run has frozen it, so each is to run alone."""
        for number in count():
            await asyncio.sleep(PING_SECONDS)
            self._missed += 1
            if self._missed > MISSED_PINGS and len(self.runs) > 1:
                logger.warning(
                    "An agent holds the interpreter's lock of its process; %d turns are run again, one at a time",
                    len(self.runs), extra={"action": "agent.process_frozen", "pid": self.pid},
                )  # fmt: skip
                self.kill()
                return
            self.send({"ping": number})

    @property
    def pid(self) -> int:
        """The child's process id; 0 before it has started."""
        return 0 if self._process is None else self._process.pid

    def _lose(self, *, blames_nobody: bool) -> None:
        if self.is_lost:
            return
        self.is_lost, self.lost_with_others = True, blames_nobody or len(self.runs) > 1
        for run in self.runs.values():
            run.add(None)

    @staticmethod
    async def _reap(process: Any) -> None:
        await process.wait()
