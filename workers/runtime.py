"""What a worker needs to run turns: the agent, the store, and the background tasks that serve both."""

import asyncio
import logging
import signal
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator import tracing
from orchestrator.agents.agent_table import load_agents
from orchestrator.agents.host import AgentHost
from orchestrator.errors import StoreUnavailable
from orchestrator.events.call_events import CallEvents
from orchestrator.events.sinks.factory import sink_names
from orchestrator.history.recorder import history_recorded
from orchestrator.history.redis.store import RedisHistory
from orchestrator.process_metrics.event_loop_lag import event_loop_lag_measured
from orchestrator.processes.drain import DRAIN_MESSAGE
from orchestrator.redis import keys
from orchestrator.redis.clock_sync import ClockSync
from orchestrator.redis.connections import connect
from orchestrator.redis.replicas import replica_wait
from orchestrator.redis.subscription import Subscription
from orchestrator.routes.table import RouteTable, load_routes
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.redis.opening import kept_elsewhere
from orchestrator.tasks import BackgroundTasks, cancel_and_wait
from orchestrator.turns.messages import read_arrival
from orchestrator.turns.redis.lane import Taker
from orchestrator.turns.redis.lease_scripts import Grant, Pushed
from orchestrator.turns.redis.pushed_grant import is_pushed_grant
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.runner import TurnRunner
from orchestrator.version import code_version
from orchestrator.worker_versions.redis.plan_store import RolloutPlans
from workers.claim_health import ClaimHealth
from workers.event_delivery import start_delivery
from workers.heartbeat import send_heartbeats
from workers.incidents import rollback_teller, watch_incidents
from workers.lease_renewal import renew_leases
from workers.orphans import release_orphans
from workers.pushed_grants import PushedGrants
from workers.rescue import rescue_calls
from workers.rollout_watch import RolloutWatch
from workers.schedule import carry_out_schedules
from workers.version_presence import VersionPresence

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 2.0
"""How long a worker that drains waits for Redis to release what was pushed to it."""
LISTEN_SECONDS = 30.0
"""How long the connection of the subscription waits for a message."""


class WorkerRuntime:
    """The agent, the store and the background tasks of one worker. An async context manager.

    `holder` identifies the worker in leases.
    """

    def __init__(self, settings: Settings, redis: Redis, states: StateManagerBase, claim_health: ClaimHealth) -> None:
        self.holder = uuid4().hex
        self.version = code_version(settings)
        self.states = states
        self._events = CallEvents.of(settings)
        self._routes = load_routes(settings, with_hooks=False)
        self.store = RedisTurnStore(
            redis,
            ttl_seconds=settings.state_ttl_seconds,
            ended_ttl_seconds=settings.ended_ttl,
            states=kept_elsewhere(settings, states),
            wait=replica_wait(settings),
            push=True,
            events=self._events,
            sinks=sink_names(settings),
            taker=_taker(settings, self.version, self._routes),
        )
        self._presence = VersionPresence(self.store, self.holder, self.version)
        self.pushed = PushedGrants(self.store, self.holder)
        self.has_missed_messages = False
        """True after a gap in the subscription: a grant that was pushed meanwhile was lost."""
        self.rollouts = RolloutPlans(self.store.connection, self.store.call_queue.shards)
        self._settings = settings
        self._claim_health = claim_health
        self._redis = redis
        self._stack = AsyncExitStack()
        self._calls: dict[str, int] = {}
        """How many times each call is claimed or run here."""
        self._rejections = BackgroundTasks()

    async def __aenter__(self) -> "WorkerRuntime":
        settings, stack = self._settings, self._stack
        stack.push_async_callback(self._rejections.close)
        host = await stack.enter_async_context(AgentHost(settings, program="worker"))
        agents = load_agents(settings, routes=self._routes)
        host.warm_up(*agents.all)
        self.runner = TurnRunner(
            self.store,
            agents,
            host,
            agent_timeout_seconds=settings.agent_timeout_seconds,
            sensitive=sensitive_cipher(settings),
        )
        listening: Redis = connect(settings, block_seconds=LISTEN_SECONDS, max_connections=4)
        stack.push_async_callback(listening.aclose)
        stack.push_async_callback(self.pushed.close)
        self._subscription = Subscription(
            listening, keys.control_channel(self.holder), self._on_message, on_gap=self._on_gap
        )
        await stack.enter_async_context(self._subscription)
        await stack.enter_async_context(ClockSync(self._redis))
        await start_delivery(settings, self.store, self._events, self.holder, stack)
        self._carrier = carry_out_schedules(settings, self.store, self._events, self.holder, stack)
        await stack.enter_async_context(event_loop_lag_measured())
        await stack.enter_async_context(history_recorded(RedisHistory(self.store.connection)))
        await self._presence.say()
        incidents = await watch_incidents(self.store, self.states, self._claim_health, self.holder, self.version, stack)
        self.runner.on_committed = incidents.noticing.committed
        rollout = RolloutWatch(
            self.rollouts, self.runner.outcomes, self.holder, self.version, on_rolled_back=rollback_teller(incidents)
        )
        for watch in (
            rollout.run(),
            self._presence.keep(),
            renew_leases(self.store, self.runner),
            rescue_calls(self.store),
            send_heartbeats(
                self._redis,
                self.holder,
                self.runner,
                host,
                agent=agents.default.name,
                version=self.version,
                slots=settings.worker_max_turns,
                cannot_claim=lambda: self._claim_health.cannot_claim,
                on_rollout=rollout.noticed,
                on_drain=self._drain,
            ),
        ):
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(watch))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run_granted(self, grant: Grant) -> None:
        """Run the turns of a call whose lease was granted with its job."""
        began, call_sid = tracing.now(), grant.lease.call_sid
        self._began(call_sid)
        try:
            await self.runner.run(await self.store.claims.open(grant), began)
        finally:
            self._left(call_sid)

    async def run_call(self, call_sid: str) -> None:
        """Claim the call and run its turns, unless another worker has its lease."""
        began = tracing.now()
        self._began(call_sid)
        try:
            await self.runner.run(await self.store.claim(call_sid, self.holder), began)
        finally:
            self._left(call_sid)

    def _began(self, call_sid: str) -> None:
        """Note that this worker claims or runs the call, so that its lease is not taken for an orphan."""
        self._calls[call_sid] = self._calls.get(call_sid, 0) + 1

    def _left(self, call_sid: str) -> None:
        if (left := self._calls.pop(call_sid) - 1) > 0:
            self._calls[call_sid] = left

    async def release_orphans(self) -> int:
        """Release the leases that were granted to this worker for calls that do not run here. Return how many."""
        self.has_missed_messages = False
        try:
            return await release_orphans(self.store, self.holder, self._calls, self.pushed.decide)
        except StoreUnavailable:
            self.has_missed_messages = True
            raise

    @property
    def received(self) -> int | None:
        """How many pushed grants have come; None if none can come, as the channel is not subscribed to."""
        return self.pushed.received if self._subscription.connected else None

    def has_lost(self, pushed: Pushed) -> bool:
        """Return whether one of the grants that were pushed was lost. Then connect the subscription again."""
        if not self.pushed.has_lost(pushed):
            return False
        logger.warning(
            "A call was granted to this worker in a message that was lost; it subscribes again",
            extra={"action": "worker.push_lost"},
        )
        self.has_missed_messages = True
        self._subscription.reconnect()
        return True

    async def leave(self) -> None:
        """Let no more grants be pushed to this worker: it drains. If Redis does not answer, they end by themselves."""
        self._carrier.leave()
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.store.job_claims.leave(self.holder)
                await self._presence.leave()

    async def release_rest(self) -> None:
        """Release what was pushed to this worker and has not begun. If Redis does not answer, the leases end soon."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.pushed.close()
                await self.release_orphans()

    def _on_gap(self) -> None:
        self.has_missed_messages = self.store.job_claims.room is not None
        self.pushed.on_gap()

    def _drain(self) -> None:
        """Exit as after SIGTERM, once: somebody has told this worker to drain."""
        if not self.runner.draining:
            logger.info("Told to drain: finishing the running turns first", extra={"action": "worker.told_to_drain"})
            signal.raise_signal(signal.SIGTERM)

    def _on_message(self, message: bytes) -> None:
        if message == DRAIN_MESSAGE:
            self._drain()
            return
        if is_pushed_grant(message):
            self.pushed.on_message(message)
            return
        arrival = read_arrival(message, self.store.connection.cipher)
        if self.runner.arrived(arrival):
            self._rejections.start(self._reject(arrival.call_sid, arrival.turn_id), f"reject {arrival.turn_id}")

    async def _reject(self, call_sid: str, turn_id: str) -> None:
        try:
            await self.store.reject(call_sid, turn_id)
        except StoreUnavailable:
            logger.warning("A turn could not be rejected, so it will be run", extra={"call_sid": call_sid})


def _taker(settings: Settings, version: str, routes: RouteTable) -> Taker:
    """Return which calls this worker takes. Where calls have several tenants, each may have half of its slots."""
    most = max(1, settings.worker_max_turns // 2) if routes.has_several_tenants else None
    return Taker(version, pins=settings.worker_versioning == "pinned", most_of_tenant=most)
