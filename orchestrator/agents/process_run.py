"""`ProcessRun`: runs an agent in a process of its own, or in the process that suspected turns share."""

import asyncio
import logging

from pydantic import TypeAdapter

from orchestrator.agents.agent_process import AgentProcess
from orchestrator.agents.agent_run import CLOSE_SECONDS, AgentRun, about
from orchestrator.agents.process_frames import WINDOW, Frame
from orchestrator.agents.process_pool import ProcessPool
from orchestrator.agents.protocol import Agent, Part
from orchestrator.conversation.actions import Action
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import AgentProcessLost, AgentRaised

logger = logging.getLogger(__name__)

_ACTION: TypeAdapter[Action] = TypeAdapter(Action)


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
        self._process: AgentProcess | None = None
        self._run = 0
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._taken = 0
        self._is_over = False

    async def __anext__(self) -> Part:
        if self._is_over:
            raise StopAsyncIteration
        if self._process is None:
            self._process = process = await (self._pool.acquire() if self._alone else self._pool.acquire_shared())
            self._run, self._frames = process.begin(self._turn, self._given)
        frame = await self._frames.get()
        if frame is not None and "part" in frame:
            return self._part(self._process, frame)
        process = self._process
        self._leave(process)
        if frame is None:
            raise AgentProcessLost(with_others=process.lost_with_others)
        if "error" in frame:
            raise AgentRaised(str(frame["kind"]), str(frame["where"]), str(frame["text"]))
        self._left = self._state_from(frame)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        process, was_over = self._process, self._is_over
        self._is_over = True
        if process is None or was_over:
            return
        process.cancel(self._run)
        try:  # in a shared process the child first waits as long for a blocked thread, and leaves it behind
            async with asyncio.timeout(CLOSE_SECONDS if self._alone else 2 * CLOSE_SECONDS):
                self._note_end(await self._last_frame())
        except TimeoutError:
            logger.warning(
                "The agent ignores its cancellation; killing its process.",
                extra=about("agent.process_killed", self._turn),
            )
            self._kill(process)
        except BaseException:
            self._kill(process)
            raise
        finally:
            self._leave(process)

    def _kill(self, process: AgentProcess) -> None:
        """Kill the process, since nothing else ends this run. The runs that share it are not to blame."""
        self.was_killed = True
        process.forget(self._run)
        process.kill(blames_nobody=True)

    @property
    def state_when_stopped(self) -> ConversationState:
        return self.state

    def _part(self, process: AgentProcess, frame: Frame) -> Part:
        self._taken += 1
        if self._taken == WINDOW // 2:
            process.allow(self._run, self._taken)
            self._taken = 0
        return str(frame["text"]) if "text" in frame else _ACTION.validate_python(frame["action"])

    async def _last_frame(self) -> Frame | None:
        while (frame := await self._frames.get()) is not None and "part" in frame:
            pass
        return frame

    def _note_end(self, frame: Frame | None) -> None:
        if frame is not None and "slots" in frame:
            self._left, self._was_stopped = self._state_from(frame), True

    def _state_from(self, frame: Frame) -> ConversationState:
        return self._given.model_copy(update={"slots": frame["slots"], "phase": frame["phase"]})

    def _leave(self, process: AgentProcess) -> None:
        self._is_over = True
        run, self._run = self._run, 0
        if not run:
            return
        process.forget(run)
        if self._alone:
            self._pool.release(process)
        else:
            self._pool.release_shared(process)
