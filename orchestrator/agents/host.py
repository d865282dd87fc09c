"""`AgentHost`: where agents run, and how one that blocks is kept from harming the others.

- `isolation = "inline"`: in the caller's event loop (`InlineRun`).
- `isolation = "thread"`: all in one event loop in a thread (`ThreadRun`), so that a user's module-level HTTP client
  works as usual. A watchdog probes that loop. If the loop does not answer, the host retires it: turns that have said
  nothing yet start again in a fresh loop, and new turns go there too. The turn whose code blocks, and those that have
  already spoken, stay where they are. They resume if the block ends; otherwise their deadline ends them.
- `isolation = "process"`, and any turn that may have ended its worker: in a process (`ProcessRun`).
"""

import asyncio
import logging
from contextlib import suppress
from itertools import count
from typing import Self

from orchestrator.agents.agent_loop import AgentLoop
from orchestrator.agents.agent_run import CLOSE_SECONDS, AgentRun
from orchestrator.agents.inline_run import InlineRun
from orchestrator.agents.loop_calls import LoopCalls
from orchestrator.agents.process_pool import ProcessPool
from orchestrator.agents.process_run import ProcessRun
from orchestrator.agents.protocol import Agent, Placement
from orchestrator.agents.thread_run import ThreadRun
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.error_logging import shown_calls
from orchestrator.errors import AgentProcessFailed, AgentsStuck
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait

__all__ = ["AgentHost", "AgentRun"]

logger = logging.getLogger(__name__)

PROBE_SECONDS = 0.08
"""How often the watchdog probes the agents' loop."""
MISSED_PROBES = 3
"""A loop is blocked when it has missed this many probes in a row. They are counted, not timed: a process that was
frozen or starved must not mistake its own pause for a blocked loop."""
MAX_STUCK_THREADS = 16


class AgentHost:
    """Runs agents for the tasks of one event loop. An async context manager; leaving it ends every agent.

    With `settings`, which name the agent, the host can start processes for it; without them, everything that asks for a
    process runs in a thread. `program` is this program's name, for the logs of those processes.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        program: str = "agents",
        probe_seconds: float = PROBE_SECONDS,
        max_stuck_threads: int = MAX_STUCK_THREADS,
    ) -> None:
        self._probe_seconds = probe_seconds
        self._max_stuck_threads = max_stuck_threads
        self._pool = None if settings is None else ProcessPool(settings, program)
        self._warming: asyncio.Task[None] | None = None
        self._home: LoopCalls | None = None
        self._current: AgentLoop | None = None
        self._retired: list[AgentLoop] = []
        self._numbers = count(1)
        self._busy = asyncio.Event()
        self._watchdog: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watchdog = asyncio.create_task(self._watch(), name="agent watchdog")
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._watchdog, self._warming)
        if self._current is not None:
            self._retire(self._current)
        await self._end()
        if self._home is not None:
            self._home.close()
        if self._pool is not None:
            await self._pool.close()

    @property
    def stuck_threads(self) -> int:
        """The number of retired threads that have not ended: they are blocked, or finish what they were doing."""
        self._retired = [loop for loop in self._retired if loop.is_alive]
        return len(self._retired)

    @property
    def processes(self) -> int:
        """The number of processes that run agents, or wait for one."""
        return 0 if self._pool is None else self._pool.size

    def warm_up(self, *agents: Agent) -> None:
        """Start a process if any of the agents requires one, before the first caller waits for it."""
        is_needed = any(agent.isolation == "process" for agent in agents)
        if is_needed and self._pool is not None and self._warming is None:
            self._warming = asyncio.create_task(self._warm_up(self._pool), name="first agent process")

    @staticmethod
    async def _warm_up(pool: ProcessPool) -> None:
        try:
            await pool.warm_up()
        except AgentProcessFailed as error:
            logger.error("%s", error, extra={"action": "agent.process_failed"})

    def run(self, agent: Agent, turn: Turn, state: ConversationState, placement: Placement = "configured") -> AgentRun:
        """Return a run of `agent` for `turn`: an async iterator of parts. Nothing runs before the first is asked for.

        A run in a thread raises `AgentsStuck` at its first part while `max_stuck_threads` threads are blocked.
        """
        if self._pool is not None and (placement != "configured" or agent.isolation == "process"):
            alone = placement == "alone" or agent.isolation == "process"
            return ProcessRun(agent, turn, state, self._pool, alone=alone)
        if agent.isolation == "inline":
            return InlineRun(agent, turn, state)
        return ThreadRun(agent, turn, state, self._choose_loop)

    def _choose_loop(self) -> AgentLoop:
        """Return the loop for the next attempt. Raise `AgentsStuck` if there is none."""
        self._busy.set()
        if self._current is None:
            if self.stuck_threads >= self._max_stuck_threads:
                raise AgentsStuck
            self._home = self._home or LoopCalls(asyncio.get_running_loop())
            self._current = AgentLoop(f"agents-{next(self._numbers)}", self._home)
        return self._current

    def _retire(self, loop: AgentLoop) -> None:
        self._current = None
        self._retired.append(loop)
        loop.retire()

    async def _watch(self) -> None:
        while True:
            await self._busy.wait()
            await asyncio.sleep(self._probe_seconds)
            loop = self._current
            if loop is None or not loop.attempts:
                self._busy.clear()
            elif loop.probe() >= MISSED_PROBES:
                self._replace(loop)

    def _replace(self, loop: AgentLoop) -> None:
        """Retire a blocked loop, and let the attempts that have said nothing be made again in a fresh one."""
        blocker = loop.current_attempt()
        logger.warning(
            "An agent blocks its event loop. Await what takes long, or use asyncio.to_thread.",
            extra={"action": "agent.blocked", "where": _where(loop), "stuck_threads": self.stuck_threads + 1}
            | ({"call_sid": blocker.turn.call_sid, "turn_id": blocker.turn.turn_id} if blocker else {}),
        )
        self._retire(loop)
        with suppress(AgentsStuck):  # without a fresh loop they wait for the block to end, or for their deadline
            for attempt in loop.attempts - {blocker}:
                self._choose_loop()
                attempt.abandon()

    async def _end(self) -> None:
        for loop in self._retired:
            for attempt in loop.attempts:
                attempt.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self.stuck_threads:
                    await asyncio.sleep(0.01)


def _where(loop: AgentLoop) -> str:
    """Return the calls that block, from the agent's own on: `shop.py:12 in reply > client.py:88 in get`."""
    return shown_calls(loop.stack())
