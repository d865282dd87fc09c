"""A dispatcher that runs the turns in its own process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

from orchestrator import error_logging, tracing
from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.silence import LAST_CHANCE_SECONDS
from orchestrator.conversation.state import ConversationState
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.dispatcher import TakeoverAttempt
from orchestrator.dispatch.hub import ReplyHub
from orchestrator.dispatch.store_dispatcher import StoreDispatcher
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import StoreUnavailable
from orchestrator.schedule.effects import ScheduleChanges
from orchestrator.schedule.restored import timers_of
from orchestrator.state.base import StateManagerBase
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.tasks import BackgroundTasks, cancel_and_wait
from orchestrator.turns.abandoned_calls import TimeLeft, end_abandoned_calls, longest_silence
from orchestrator.turns.call_limits import api_share
from orchestrator.turns.call_rates import NO_RATES, CallRates
from orchestrator.turns.memory_announcing import MemoryAnnouncing
from orchestrator.turns.memory_scheduling import MemoryScheduling
from orchestrator.turns.memory_store import InMemoryTurnStore
from orchestrator.turns.messages import Arrival
from orchestrator.turns.runner import TurnRunner

logger = logging.getLogger(__name__)

HOLDER = "in-process"
CLEAN_UP_EVERY_SECONDS = 60.0
LEAST_PAUSE_SECONDS = 0.25


class InProcessDispatcher(StoreDispatcher):
    """Stores turns in memory and runs them. A context manager: on exit, running turns may finish.

    `ttl_seconds` is how long states live in `states`. `announcing` writes the events of the calls,
    `scheduling` what they do later; `listeners` hear what others cause in them. `sensitive` is the cipher of sensitive
    turns.
    """

    def __init__(
        self,
        states: StateManagerBase,
        agents: AgentTable | Agent,
        host: AgentHost,
        *,
        agent_timeout_seconds: float,
        drain_seconds: float = 25.0,
        max_active_calls: int | None = None,
        api_max_active_calls: int | None = None,
        ttl_seconds: float = 3600,
        announcing: MemoryAnnouncing | None = None,
        scheduling: MemoryScheduling | None = None,
        listeners: CallListeners | None = None,
        rates: CallRates = NO_RATES,
        sensitive: Cipher | None = None,
    ) -> None:
        hub = ReplyHub(listeners, sensitive)
        self.memory = InMemoryTurnStore(
            states,
            max_active_calls=max_active_calls,
            api_max_active_calls=api_max_active_calls or api_share(max_active_calls),
            deliver=hub.deliver,
            notify=self._arrived,
            wake=self._wake,
            announcing=announcing,
            scheduling=scheduling,
            rates=rates,
        )
        super().__init__(self.memory, hub)
        self.runner = TurnRunner(
            self.memory, agents, host, agent_timeout_seconds=agent_timeout_seconds, sensitive=sensitive
        )
        self._drain_seconds = drain_seconds
        self._ttl_seconds = ttl_seconds
        self._tasks = BackgroundTasks()
        self._cleaner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "InProcessDispatcher":
        self._cleaner = asyncio.create_task(self._keep_clean())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._cleaner)
        await self._tasks.close(5, drain_seconds=self._drain_seconds)

    async def run_locally(self, state: ConversationState) -> None:
        """Have the timers of the call fire here, too: every call runs here."""
        self.memory.scheduling.schedule.write_now(state.call_sid, ScheduleChanges(timers_of(state)))

    async def take_over(self, call_sid: str, attempt: TakeoverAttempt) -> None:
        """Do nothing: there is no other ingress."""

    async def idle(self, call_sid: str, timeout_seconds: float) -> None:
        """Wait until no turn of the call runs or is queued here, and no message is being sent. Raise TimeoutError."""
        is_posting = self.memory.scheduling.schedule.is_posting
        async with asyncio.timeout(timeout_seconds):
            while not self.memory.is_idle(call_sid) or is_posting(call_sid):
                await asyncio.sleep(0.02)

    async def clean_up(self) -> None:
        """End abandoned calls and drop expired ones, once. Workers do that by cron jobs. Raise `StoreUnavailable`."""
        states = self.memory.states
        await end_abandoned_calls(self.memory, states, await self._idle_calls(), life=self._ttl_seconds)
        await states.cleanup_expired()
        await self.memory.forget_expired()

    def _wake(self, call_sid: str) -> None:
        self._own(lambda: self._run(call_sid), f"turns of {call_sid}")

    async def _run(self, call_sid: str) -> None:
        began = tracing.now()
        await self.runner.run(await self.memory.claim(call_sid, HOLDER), began)

    def _arrived(self, arrival: Arrival) -> None:
        if self.runner.arrived(arrival):
            self._own(lambda: self._reject(arrival), "reject a turn")

    async def _reject(self, arrival: Arrival) -> None:
        await self.memory.reject(arrival.call_sid, arrival.turn_id)

    def _own(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        async def owned() -> None:
            try:
                await work()
            except Exception as error:
                error_logging.log(
                    logging.ERROR, logger, "A turn could not be run; report this: %s (%s)", name, error=error
                )

        self._tasks.start(owned(), name)

    async def _keep_clean(self) -> None:
        pause = min(CLEAN_UP_EVERY_SECONDS, max(self._ttl_seconds / 8, LEAST_PAUSE_SECONDS))
        while True:
            await asyncio.sleep(pause)
            try:
                await self.clean_up()
            except StoreUnavailable:
                continue
            except Exception:
                logger.exception("Calls could not be cleaned up; report this")

    async def _idle_calls(self) -> list[tuple[str, TimeLeft]]:
        """Return calls without a turn for a while, each with the seconds until its state expires, if that is known."""
        states = self.memory.states
        if isinstance(states, InMemoryStateManager):
            window = max(self._ttl_seconds - longest_silence(self._ttl_seconds), LAST_CHANCE_SECONDS)
            return [(call_sid, left) for call_sid, left in await states.expiring(window)]
        return [(call_sid, None) for call_sid in await states.get_all_call_sids()]
