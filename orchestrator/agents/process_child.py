"""The program of a process that runs agents: `python -m orchestrator.agents.process_child SOCKET PARENT`.

An agent that holds the interpreter's lock, fills the memory or crashes harms only this process. The process ends when
its parent ends or kills it. It ignores SIGTERM and SIGINT, which are meant for the parent.
"""

import asyncio
import base64
import contextlib
import ctypes
import os
import pickle
import signal
import socket
import sys
import traceback
from dataclasses import replace
from typing import Any

from pydantic_core import to_jsonable_python

from orchestrator import tracing
from orchestrator.agents.agent_table import AgentTable, load_agents
from orchestrator.agents.host import AgentHost
from orchestrator.agents.process_frames import WINDOW, Frame, packed, read_frame
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.error_logging import kind_of, where_raised
from orchestrator.errors import BadAgent
from orchestrator.logs import configure_logging
from orchestrator.process_metrics import catalog
from orchestrator.process_metrics.changes import Changes, counts_as_texts

PR_SET_PDEATHSIG = 1
LONGEST_TEXT = 1 << 20


def main(descriptor: int, parent: int) -> None:
    """Serve the parent at the other end of the socket until the parent is gone."""
    _end_with(parent)
    try:
        asyncio.run(_serve(socket.socket(fileno=descriptor)))
    finally:
        tracing.stop()
        os._exit(0)  # agents may have left threads behind


def _end_with(parent: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("500")  # if memory runs out, the kernel kills this process before the worker
    if os.getppid() != parent:
        os._exit(0)


async def _serve(channel: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=channel)
    hello = await read_frame(reader)
    if hello is None:
        return
    try:
        agents = _agents(hello)
    except BadAgent as error:
        writer.write(packed({"unable": str(error)}))
        await writer.drain()
        return
    writer.write(packed({"ready": True}))
    async with AgentHost() as host:
        await _Runs(agents, host, writer).serve(reader)


def _agents(hello: Frame) -> AgentTable:
    """Return the agents of the settings. Unpickling is safe: they come from our parent, over a socket that it made."""
    sys.path[:] = hello["path"]
    settings = pickle.loads(base64.b64decode(hello["settings"]))
    configure_logging(settings, hello["process"])
    tracing.start(settings, "agents")
    agents = load_agents(settings)
    named = {name: _in_a_thread(agent) for name, agent in agents.named.items()}
    return replace(agents, default=_in_a_thread(agents.default), named=named)


def _in_a_thread(agent: Agent) -> Agent:
    """Return the agent as it runs here: in a thread, one that blocks delays neither the frames from the parent nor the
    other runs."""
    return replace(agent, isolation="thread") if agent.isolation == "process" else agent


class _Runs:
    """The runs in this process, by the numbers that the parent gave them."""

    def __init__(self, agents: AgentTable, host: AgentHost, writer: asyncio.StreamWriter) -> None:
        self._agents = agents
        self._host = host
        self._writer = writer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._windows: dict[int, asyncio.Semaphore] = {}
        self._changes = Changes(catalog.OF_MODELS)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Obey the parent's frames until the parent is gone."""
        while (frame := await read_frame(reader)) is not None:
            if "begin" in frame:
                self._begin(int(frame["begin"]), frame)
            elif "cancel" in frame and (task := self._tasks.get(int(frame["cancel"]))) is not None:
                task.cancel()
            elif "took" in frame and (window := self._windows.get(int(frame["took"]))) is not None:
                for _ in range(int(frame["parts"])):
                    window.release()
            elif "ping" in frame:
                self._send({"pong": frame["ping"]})

    def _begin(self, run: int, frame: Frame) -> None:
        self._windows[run] = asyncio.Semaphore(WINDOW)
        task = self._tasks[run] = asyncio.create_task(self._run(run, frame))
        task.add_done_callback(lambda task: self._on_done(run, task))

    def _on_done(self, run: int, task: "asyncio.Task[None]") -> None:
        if task.cancelled():  # before it began
            self._send({"stopped": run})
        self._tasks.pop(run, None)
        self._windows.pop(run, None)

    async def _run(self, run: int, frame: Frame) -> None:
        with tracing.continued(frame.get("traceparent")):
            await self._run_agent(run, frame)

    async def _run_agent(self, run: int, frame: Frame) -> None:
        state = ConversationState.model_validate(frame["state"])
        if state.agent:
            state.settings = self._agents.settings_of(state.agent)
        agent = self._agents.agent_of(state) or self._agents.default
        agent_run = self._host.run(agent, Turn.model_validate(frame["turn"]), state)
        window = self._windows[run]
        try:
            async for part in agent_run:
                await window.acquire()
                await self._write({"part": run, **_as_json(part)})
            self._send_counts()
            await self._write({"end": run, **_changes(agent_run.state)})
        except asyncio.CancelledError:
            await agent_run.aclose()
            kept = agent_run.state_when_stopped
            self._send_counts()
            await self._write({"stopped": run, **({} if kept is state else _changes(kept))})
        except Exception as error:
            self._send_counts()
            text = "".join(traceback.format_exception(error))[-LONGEST_TEXT:]
            await self._write({"error": run, "kind": kind_of(error), "where": where_raised(error), "text": text})
        finally:
            await agent_run.aclose()

    def _send_counts(self) -> None:
        """Send what was counted since the last time: nothing can scrape this process."""
        if counts := self._changes.take():
            self._send({"counts": counts_as_texts(counts)})

    async def _write(self, frame: Frame) -> None:
        self._send(frame)
        await self._writer.drain()

    def _send(self, frame: Frame) -> None:
        self._writer.write(packed(frame))


def _as_json(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        if len(part) > LONGEST_TEXT:
            raise ValueError(f"one part of the reply is longer than {LONGEST_TEXT} characters")
        return {"text": part}
    return {"action": part.model_dump(mode="json")}


def _changes(state: ConversationState) -> dict[str, Any]:
    return {"slots": to_jsonable_python(state.slots), "phase": state.phase}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
