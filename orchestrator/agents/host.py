"""`AgentHost`: where agents run, and how one that blocks is kept from harming the others.

All agents with isolation `thread` share one event loop in a thread, so that a user's module-level HTTP client
works as usual. A watchdog probes that loop. If it does not answer, it is retired: turns that have said
nothing yet begin again in a fresh loop, and new turns go there. The turn whose code blocks, and those that have
already spoken, stay where they are, and go on if the block ends; the caller's deadline ends them otherwise.

Agents with isolation `process`, and turns that are suspected of having taken a worker down, run in processes.
"""

import asyncio
import logging
from contextlib import suppress
from itertools import count
from typing import Self

from orchestrator.agents.agent_run import CLOSE_SECONDS, AgentRun
from orchestrator.agents.agent_runs import InlineRun, Loop, ThreadRun
from orchestrator.agents.process_pool import ProcessPool
from orchestrator.agents.process_run import ProcessRun
from orchestrator.agents.protocol import Agent, Lane
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.error_logging import shown_calls
from orchestrator.errors import AgentProcessFailed, AgentsStuck
from orchestrator.settings import Settings
from orchestrator.tasks import cancel_and_wait

__all__ = ["AgentHost", "AgentRun"]

logger = logging.getLogger(__name__)

PROBE_SECONDS = 0.08
MISSED_PROBES = 3
"""A loop is blocked when it has missed so many probes in a row: counted, not timed, because a process that
was frozen or starved must not take its own sleep for a block."""
MAX_STUCK_THREADS = 16


class AgentHost:
    """Runs agents for the tasks of one event loop. An async context manager; leaving it ends every agent.

    `run` returns an `AgentRun`, which says how it is used. It raises `AgentsStuck` at its first part
    when `MAX_STUCK_THREADS` threads are blocked. With `settings`, which name the agent, processes can be started for
    it; `program` is the name of ours, for their logs.
    """

    def __init__(self, settings: Settings | None = None, *, program: str = "agents") -> None:
        self._pool = None if settings is None else ProcessPool(settings, program)
        self._warming: asyncio.Task[None] | None = None
        self._current: Loop | None = None
        self._retired: list[Loop] = []
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
        if self._pool is not None:
            await self._pool.close()

    @property
    def stuck_threads(self) -> int:
        """How many retired threads have not ended: they are blocked, or finish what they were doing."""
        self._retired = [loop for loop in self._retired if loop.is_alive]
        return len(self._retired)

    @property
    def processes(self) -> int:
        """How many processes run agents, or wait to."""
        return 0 if self._pool is None else self._pool.size

    def warm_up(self, agent: Agent) -> None:
        """Have a process ready for an agent that wants one, before the first caller waits for it."""
        if agent.isolation == "process" and self._pool is not None and self._warming is None:
            self._warming = asyncio.create_task(self._warm_up(self._pool), name="first agent process")

    @staticmethod
    async def _warm_up(pool: ProcessPool) -> None:
        try:
            await pool.warm_up()
        except AgentProcessFailed as error:
            logger.error("%s", error, extra={"action": "agent.process_failed"})

    def run(self, agent: Agent, turn: Turn, state: ConversationState, lane: Lane = "own") -> AgentRun:
        """The agent's parts for `turn`, then the state it left. Nothing runs before a part is asked for.

        Without settings there are no processes: all that asks for one runs in a thread.
        """
        if self._pool is not None and (lane != "own" or agent.isolation == "process"):
            alone = lane == "alone" or agent.isolation == "process"
            return ProcessRun(agent, turn, state, self._pool, alone=alone)
        if agent.isolation == "inline":
            return InlineRun(agent, turn, state)
        return ThreadRun(agent, turn, state, self._loop)

    def _loop(self) -> Loop:
        """The loop for the next run."""
        self._busy.set()
        if self._current is None:
            if self.stuck_threads >= MAX_STUCK_THREADS:
                raise AgentsStuck
            self._current = Loop(f"agents-{next(self._numbers)}")
        return self._current

    def _retire(self, loop: Loop) -> None:
        self._current = None
        self._retired.append(loop)
        loop.retire()

    async def _watch(self) -> None:
        while True:
            await self._busy.wait()
            await asyncio.sleep(PROBE_SECONDS)
            loop = self._current
            if loop is None or not loop.owners:
                self._busy.clear()
            elif loop.probe() >= MISSED_PROBES:
                self._replace(loop)

    def _replace(self, loop: Loop) -> None:
        """Retire a blocked loop, and begin elsewhere what can begin again."""
        blocker = loop.running()
        logger.warning(
            "An agent blocks its event loop. Await what takes long, or use asyncio.to_thread.",
            extra={"action": "agent.blocked", "where": _where(loop), "stuck_threads": self.stuck_threads + 1}
            | ({"call_sid": blocker.turn.call_sid, "turn_id": blocker.turn.turn_id} if blocker else {}),
        )
        self._retire(loop)
        with suppress(AgentsStuck):  # then they wait for the block to end, or for their deadline
            for run in loop.owners - {blocker}:
                run.move_to(self._loop())

    async def _end(self) -> None:
        for loop in self._retired:
            for run in tuple(loop.owners):
                run.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self.stuck_threads:
                    await asyncio.sleep(0.01)


def _where(loop: Loop) -> str:
    """The calls that block, from the agent's own on: `shop.py:12 in reply > client.py:88 in get`."""
    return shown_calls(loop.stack())
