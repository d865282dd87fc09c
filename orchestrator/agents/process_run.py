"""`ProcessRun`: runs an agent in a process of its own, or in the process that suspected turns share."""

import asyncio
import logging

from pydantic import ConfigDict, TypeAdapter

from orchestrator.agents.agent_process import RemoteRun
from orchestrator.agents.agent_run import CLOSE_SECONDS, AgentRun, about
from orchestrator.agents.process_frames import Frame
from orchestrator.agents.process_pool import ProcessPool
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.actions import Action
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import AgentProcessLost, AgentRaised

logger = logging.getLogger(__name__)

_ACTION: TypeAdapter[Action] = TypeAdapter(Action, config=ConfigDict(defer_build=True))


class ProcessRun(AgentRun):
    """Runs the agent in a process of `pool`: with `alone` in one that runs nothing else, otherwise in the shared one.

    The state is sent there and back as JSON. Asking for a part raises `AgentRaised` if the agent has raised, and
    `AgentProcessLost` if its process is gone.
    """

    _was_stopped = False

    def __init__(self, agent: Agent, turn: Turn, state: ConversationState, pool: ProcessPool, *, alone: bool) -> None:
        super().__init__(agent, turn, state)
        self._pool = pool
        self._alone = alone
        self._remote: RemoteRun | None = None
        self._is_over = False

    async def __anext__(self) -> Part:
        if self._is_over:
            raise StopAsyncIteration
        remote = self._remote or await self._start()
        frame = await remote.next_frame()
        if frame is not None and "part" in frame:
            return str(frame["text"]) if "text" in frame else _ACTION.validate_python(frame["action"])
        self._release(remote)
        if frame is None:
            raise AgentProcessLost(with_others=remote.process.lost_with_others)
        if "error" in frame:
            raise AgentRaised(str(frame["kind"]), str(frame["where"]), str(frame["text"]))
        self._left = self._state_from(frame)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        was_over, self._is_over = self._is_over, True
        if was_over or self._remote is None:
            return
        remote = self._remote
        remote.cancel()
        try:  # in a shared process the child first waits as long for a blocked thread, and leaves it behind
            async with asyncio.timeout(CLOSE_SECONDS if self._alone else 2 * CLOSE_SECONDS):
                frame = await remote.last_frame()
        except TimeoutError:
            logger.warning(
                "The agent ignores its cancellation; killing its process.",
                extra=about("agent.process_killed", self._turn),
            )
            self._kill(remote)
        except BaseException:
            self._kill(remote)
            raise
        else:
            if frame is not None and "slots" in frame:
                self._left, self._was_stopped = self._state_from(frame), True
        finally:
            self._release(remote)

    @property
    def state_when_stopped(self) -> ConversationState:
        return self.state

    async def _start(self) -> RemoteRun:
        process = await (self._pool.acquire() if self._alone else self._pool.acquire_shared())
        self._remote = process.begin(self._turn, self._given)
        return self._remote

    def _kill(self, remote: RemoteRun) -> None:
        """Kill the process, since nothing else ends this run. The runs that share it are not to blame."""
        self.was_killed = True
        remote.leave()
        remote.process.kill(blames_nobody=True)

    def _release(self, remote: RemoteRun) -> None:
        self._is_over = True
        remote.leave()
        if self._alone:
            self._pool.release(remote.process)
        else:
            self._pool.release_shared(remote.process)

    def _state_from(self, frame: Frame) -> ConversationState:
        return self._given.model_copy(update={"slots": frame["slots"], "phase": frame["phase"]})
