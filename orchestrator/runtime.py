"""`Runtime`: the parts that an ingress works with. `orchestrator.dispatch.opening` makes one."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.dispatch.dispatcher import Dispatcher
from orchestrator.errors import StoreUnavailable, UnknownProcess, WorkersTooOld
from orchestrator.health.features import WorkerFeatures
from orchestrator.history.store import HistoryStore, MemoryHistory
from orchestrator.idempotency.store import IdempotencyStore, MemoryIdempotencyStore
from orchestrator.incidents.process_incidents import ProcessIncidents
from orchestrator.processes.presence import Presence
from orchestrator.relay_documents.store import MemoryRelayDocuments, RelayDocuments
from orchestrator.seal_keys.exchange import SealKeyExchange
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.transfers.answers import MemoryTransferAnswers, TransferAnswers
from orchestrator.turns.progress import progress_of
from orchestrator.turns.runner import TurnRunner

if TYPE_CHECKING:  # memory mode runs without the client library
    from redis.asyncio import Redis

    from orchestrator.dispatch.local_calls import LocalCalls
    from orchestrator.dispatch.socket_check import SocketCheck
    from orchestrator.events.outbox import Outbox
    from orchestrator.events.outbox_watch import OutboxWatch
    from orchestrator.fleet_metrics.fleet import Fleet
    from orchestrator.health.events import EventsStatus
    from orchestrator.health.report import SystemStatus
    from orchestrator.processes.report import Process
    from orchestrator.redis.breaker import Breaker
    from orchestrator.turns.redis.dead_letter_access import DeadLetterAccess
    from orchestrator.worker_versions.redis.rollouts import Rollouts

SETTLED_SECONDS = 150.0
"""A process that has run for longer misses what no worker has reported: a deployment starts within this time."""


@dataclass
class Runtime:
    """What an ingress works with. `redis`, `breaker` and `socket_check` are None where there is no Redis."""

    settings: Settings
    states: StateManagerBase
    dispatcher: Dispatcher
    redis: "Redis | None" = None
    breaker: "Breaker | None" = None
    documents: RelayDocuments = field(default_factory=MemoryRelayDocuments)
    socket_check: "SocketCheck | None" = None
    listener: str = ""
    """The channel on which replies arrive from Redis; "" where there is no Redis."""
    runner: TurnRunner | None = None
    """What runs the turns; None where workers do."""
    outbox: "Outbox | None" = None
    """The events that are not delivered; None without Redis and without sinks."""
    outbox_watch: "OutboxWatch | None" = None
    """What surveys the outbox of this process; None where there is none, and where workers do."""
    local_calls: "LocalCalls | None" = None
    """The calls that run in this process while Redis is down; None where there is no Redis."""
    transfer_answers: TransferAnswers = field(default_factory=MemoryTransferAnswers)
    """Who took a call that was transferred."""
    runs_here: Callable[[str], bool] = lambda call_sid: True
    """True for the SID of a call whose turns run in this process."""
    read_waits: "Callable[[], Awaitable[dict[str, float]]] | None" = None
    """Reads for how long (s) the oldest turn of each tenant has waited for a worker; None where there are none."""
    read_waiting_calls: "Callable[[], Awaitable[dict[str, float]]] | None" = None
    """Reads which calls have a turn that has waited long for a worker, and for how long (s); None where none do."""
    presence: Presence = field(default_factory=Presence)
    """How this process says that it is there, and knows of the others."""
    history: HistoryStore = field(default_factory=MemoryHistory)
    """What all processes have counted in the last day."""
    incidents: ProcessIncidents = field(default_factory=ProcessIncidents)
    """What goes wrong with processes and Redis, and which calls notice it."""
    began_at: float = field(default_factory=time.monotonic)
    _worker_features: WorkerFeatures | None = None

    async def system_status(self) -> "SystemStatus | None":
        """Return the status of Redis, the workers and the queue; None where there are none. Never raises."""
        if self.redis is None or self.breaker is None:
            return None
        from orchestrator.events.sinks.factory import sink_names
        from orchestrator.health.events import EventsStatus
        from orchestrator.health.redis import read_system_status
        from orchestrator.health.report import SystemStatus
        from orchestrator.health.workers import missing_keys
        from orchestrator.redis.ciphers import cipher_of
        from orchestrator.redis.probe import probe
        from orchestrator.redis.replicas import replica_wait

        if self.breaker.is_open:
            return SystemStatus(redis_ok=False, redis_message=self.breaker.reason, degraded=True)
        try:
            await probe(self.redis)
        except StoreUnavailable as error:
            return SystemStatus(redis_ok=False, redis_message=str(error), degraded=True)
        status = await read_system_status(self.redis, replica_wait(self.settings))
        if cipher_of(self.redis).keys.all or cipher_of(self.redis).missing.lately():
            status = replace(status, missing_keys=await missing_keys(self.redis))
        if status.events is None and sink_names(self.settings):
            status = replace(status, events=EventsStatus(None, is_missed=status.redis_ok and self._is_old))
        return status if status.redis_ok else replace(status, degraded=True)

    @property
    def _is_old(self) -> bool:
        """True if what others write regularly would have been seen since this process began."""
        return time.monotonic() - self.began_at > SETTLED_SECONDS

    def events_status(self) -> "EventsStatus | None":
        """Return what this process knows of the events in its own outbox; None if it has none, or workers know."""
        if self.outbox_watch is None:
            return None
        from orchestrator.health.events import EventsStatus

        return EventsStatus(self.outbox_watch.latest)

    def idempotency_store(self) -> IdempotencyStore:
        """Return the idempotency records that all ingresses share, or those of this process where there is no Redis."""
        if self.redis is None:
            return MemoryIdempotencyStore()
        from orchestrator.idempotency.redis import RedisIdempotencyStore
        from orchestrator.redis.replicas import replica_wait

        return RedisIdempotencyStore(self.redis, replica_wait(self.settings))

    def seal_keys(self) -> SealKeyExchange | None:
        """Return where all ingresses share the keys of their seals; None for a process without Redis."""
        if self.redis is None or self.breaker is None:
            return None
        from orchestrator.seal_keys.redis import RedisSealKeys

        return RedisSealKeys(self.redis, self.breaker.guard)

    def rollouts(self) -> "Rollouts | None":
        """Return what shows the versions of the workers and changes their plan; None without workers."""
        if self.redis is None or self.breaker is None:
            return None
        from orchestrator.health.workers import list_workers
        from orchestrator.redis.replicas import replica_wait
        from orchestrator.redis.store_connection import StoreConnection
        from orchestrator.worker_versions.redis.rollouts import Rollouts

        connection = StoreConnection(self.redis, self.breaker.guard, replica_wait(self.settings))
        return Rollouts(connection, self.states, partial(list_workers, self.redis))

    def dead_letters(self) -> "DeadLetterAccess | None":
        """Return what lists the dead letters, runs and drops them; None without Redis, where there are none."""
        if self.redis is None:
            return None
        from orchestrator.turns.redis.dead_letter_access import DeadLetterAccess

        elsewhere = self.states if self.settings.state_manager else None
        ttl_seconds = self.settings.state_ttl_seconds
        return DeadLetterAccess(self.redis, ttl_seconds=ttl_seconds, states=elsewhere, breaker=self.breaker)

    async def watch(self) -> None:
        """Have the workers report for a while which turns they run and what is being said. Raise `StoreUnavailable`."""
        if self.redis is None or self.breaker is None or self.breaker.is_open:
            return
        from orchestrator.redis import keys
        from orchestrator.redis.errors import store_errors

        with store_errors():
            await self.redis.set(keys.WATCHED, 1, ex=keys.WATCHED_SECONDS)

    def running_turns(self) -> list[dict[str, Any]]:
        """Return the turns that run in this process; none where workers run them."""
        return [] if self.runner is None else progress_of(self.runner)

    async def workers(self) -> list[dict[str, Any]] | None:
        """Return what each worker reports of itself; None without Redis, or while it is down.

        Raises `StoreUnavailable`.
        """
        if self.redis is None or self.breaker is None or self.breaker.is_open:
            return None
        from orchestrator.health.workers import list_workers

        return await list_workers(self.redis)

    async def processes(self) -> "list[Process] | None":
        """Return every process of the deployment, as `GET /processes` shows it; None while Redis is down.

        Raises `StoreUnavailable`.
        """
        if self.breaker is not None and self.breaker.is_open:
            return None
        return await self.presence.processes()

    async def drain(self, worker_id: str) -> "Process":
        """Tell the worker to drain, and return it. Raise `UnknownProcess`, `WorkersTooOld` or `StoreUnavailable`."""
        if self.redis is None or self.breaker is None:
            raise UnknownProcess
        from orchestrator.processes.redis.drain import order_drain

        with self.breaker.guard():
            return await order_drain(self.redis, worker_id)

    async def erase_reports(self, call_sid: str) -> None:
        """Delete what workers have reported of a call that is erased, and what it noticed of incidents. Raise
        `StoreUnavailable`."""
        await self.incidents.log.erase(call_sid)
        if self.redis is not None:
            from orchestrator.health.workers import erase_from_reports

            await erase_from_reports(self.redis, call_sid)

    async def check_workers_know(self, feature: str, call_sid: str) -> None:
        """Raise `WorkersTooOld` if a worker that may run this call's turns lacks `feature`; or `StoreUnavailable`."""
        if self.redis is None or self.runs_here(call_sid):
            return
        if self._worker_features is None:
            from orchestrator.health.workers import list_workers

            self._worker_features = WorkerFeatures(partial(list_workers, self.redis))
        if await self._worker_features.lack(feature):
            raise WorkersTooOld

    async def fleet(self) -> "Fleet | None":
        """Return what the workers report and have counted; None without Redis. Raise `StoreUnavailable`."""
        if self.redis is None or self.breaker is None:
            return None
        from orchestrator.fleet_metrics.redis.reading import read_fleet

        if self.breaker.is_open:
            raise StoreUnavailable(self.breaker.reason)
        return await read_fleet(self.redis)
