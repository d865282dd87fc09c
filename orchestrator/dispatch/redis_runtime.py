"""The parts of an ingress in a system with workers: Redis, the breaker, both kinds of dispatcher."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from uuid import uuid4

from redis.asyncio import Redis

from orchestrator.agents.agent_table import load_agents
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.state import ConversationState
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.ingress_events import IngressEvents
from orchestrator.dispatch.local_calls import LocalCalls
from orchestrator.dispatch.local_carrying import start_local_carrying
from orchestrator.dispatch.local_events import LocalEvents
from orchestrator.dispatch.local_runtime import local_dispatcher, local_scheduling
from orchestrator.dispatch.local_schedules import LocalSchedules
from orchestrator.dispatch.on_demand import OnDemandDispatcher
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.dispatch.socket_check import SocketCheck
from orchestrator.dispatch.split import SplitDispatcher
from orchestrator.dispatch.takeover import Takeover
from orchestrator.events.call_events import CallEvents
from orchestrator.events.local_delivery import local_delivery
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox_watch import OutboxWatch
from orchestrator.events.sinks.factory import sink_names
from orchestrator.history.redis.store import RedisHistory
from orchestrator.incidents.process_incidents import ProcessIncidents
from orchestrator.incidents.redis.incident_log import RedisIncidentLog
from orchestrator.incidents.redis.turn_holder import ingress_that_had
from orchestrator.processes.redis.presence import RedisPresence
from orchestrator.redis import keys
from orchestrator.redis.breaker import Breaker
from orchestrator.redis.clock_sync import ClockSync
from orchestrator.redis.connections import connect
from orchestrator.redis.probe import probe
from orchestrator.redis.replicas import replica_wait
from orchestrator.relay_documents.redis import RedisRelayDocuments
from orchestrator.runtime import Runtime
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis.opening import kept_elsewhere, open_states
from orchestrator.state.rollout import RolloutStateManager, uses_redis
from orchestrator.transfers.redis import RedisTransferAnswers
from orchestrator.turns.call_limits import CallLimits
from orchestrator.turns.call_rates import CallRates
from orchestrator.turns.memory_announcing import MemoryAnnouncing
from orchestrator.turns.redis.queue_waits import read_waiting_calls, read_waits
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.tombstone import erasure_secret

logger = logging.getLogger(__name__)

LISTEN_SECONDS = 30.0


async def redis_runtime(
    settings: Settings, stack: AsyncExitStack, events: IngressEvents, agent: Agent | None = None
) -> Runtime:
    """Return the runtime of an ingress with workers; `stack` closes its parts. Raise `BadSetting` or `BadAgent`.

    What happens while Redis is down is up to `SplitDispatcher`. The agent is loaded at the start, since workers would
    refuse a bad one, too: a deployment that answers no call must not look as if it did.
    """
    agents = await asyncio.to_thread(load_agents, settings, agent)  # an agent's imports may take seconds
    logger.info("Initializing Redis-backed state manager", extra={"action": "state.connecting"})
    redis: Redis = connect(settings)
    stack.push_async_callback(redis.aclose)
    breaker = await stack.enter_async_context(Breaker(lambda: probe(redis)))
    if breaker.reached:
        logger.info("Redis connection established", extra={"action": "state.connected"})
    await stack.enter_async_context(ClockSync(redis))
    shared = open_states(settings, redis)
    elsewhere = kept_elsewhere(settings, shared)
    if elsewhere is not None:
        stack.push_async_callback(elsewhere.close)
    process_id = uuid4().hex
    channel = keys.reply_channel(process_id)
    socket_check = SocketCheck(redis, channel, breaker, events.is_answering)
    stack.push_async_callback(socket_check.close)
    memory = InMemoryStateManager(settings.state_ttl_seconds, ended_ttl_seconds=settings.ended_ttl)
    host = AgentHost(settings, program="web")
    store = _turn_store(settings, redis, channel, breaker, elsewhere)
    call_events = CallEvents.of(settings)
    waiting = await _local_outbox(settings, stack, memory, call_events, lambda call_sid: call_sid in local_calls)
    announcing = MemoryAnnouncing(waiting, call_events)
    scheduling, listeners = local_scheduling(waiting), CallListeners()
    local = OnDemandDispatcher(
        lambda: local_dispatcher(settings, memory, host, agents, announcing, scheduling, listeners),
        lambda dispatcher, local_stack: start_local_carrying(settings, dispatcher.memory, call_events, local_stack),
    )
    schedules = LocalSchedules(scheduling.schedule, store.schedule)
    percent = settings.redis_rollout_percent
    local_events = LocalEvents(waiting, store.outbox) if waiting is not None else None

    async def count(call_sid: str) -> None:
        limited_as = local.limited_as(call_sid)
        if limited_as is not None:
            await store.admissions.count(call_sid, limited_as)

    async def drop_erased(state: ConversationState) -> bool:
        if not await store.erasure.is_of_erased(state):
            return False
        logger.info("A call was erased meanwhile", extra={"action": "call.erased", "call_sid": state.call_sid})
        is_phone = state.channel != "api"
        for erasure in local.opened.erasures(state.call_sid) if local.opened is not None else ():
            await erasure.erase(state.call_sid, None, is_known=False, is_phone=is_phone)
        return True

    local_calls = LocalCalls(
        states=shared, memory=memory, breaker=breaker, idle=local.idle, events=local_events, schedules=schedules,
        count=count, drop_erased=drop_erased,
    )  # fmt: skip

    async def release(call_sid: str) -> bool:
        await events.taken_over(call_sid)
        return await local_calls.write_back(call_sid)

    listening: Redis = connect(settings, block_seconds=LISTEN_SECONDS, max_connections=4)
    stack.push_async_callback(listening.aclose)
    takeover = Takeover(redis, channel, breaker, release, take_sent=events.take_sent)
    queued = await stack.enter_async_context(
        QueuedDispatcher(
            store, listening, channel, takeover, socket_check,
            listeners=listeners, sensitive=sensitive_cipher(settings),
            is_elsewhere=lambda call_sid: not uses_redis(call_sid, percent),
        )
    )  # fmt: skip
    documents = RedisRelayDocuments(redis, breaker.guard, store.erasure.drop)
    stack.push_async_callback(documents.close)
    answers = RedisTransferAnswers(redis, breaker.guard, lambda: breaker.seconds_since_failure, store.erasure.drop)
    stack.push_async_callback(answers.close)
    # Closed in reverse: calls that run here are written back first, then the turns of this process finish.
    await stack.enter_async_context(host)
    await stack.enter_async_context(local)
    stack.push_async_callback(local_calls.close)
    dispatcher = SplitDispatcher(
        queued, local, local_calls, breaker=breaker, rollout_percent=percent, rates=_call_rates(settings)
    )
    states = RolloutStateManager(shared, memory, percent, in_memory=dispatcher.is_local)
    presence = RedisPresence(redis, breaker.guard, process_id)
    return Runtime(
        settings, states, dispatcher, redis, breaker, documents, socket_check, channel, outbox=store.outbox,
        local_calls=local_calls, transfer_answers=answers, runs_here=dispatcher.is_local,
        presence=presence,
        incidents=ProcessIncidents(
            RedisIncidentLog(redis, breaker.guard), presence.reports, dispatcher.is_erased, states.get_state,
            partial(ingress_that_had, redis, guard=breaker.guard),
        ),
        read_waits=partial(read_waits, store.connection, store.call_queue.shards),
        read_waiting_calls=partial(read_waiting_calls, store.connection, store.call_queue.shards),
        history=RedisHistory(store.connection),
    )  # fmt: skip


async def _local_outbox(
    settings: Settings,
    stack: AsyncExitStack,
    memory: StateManagerBase,
    call_events: CallEvents,
    waits_for_redis: Callable[[str], bool],
) -> MemoryOutbox | None:
    """Return the outbox of calls that run here; None if nothing is told of them.

    Events of calls that run here while Redis is down wait for it. Those of calls that the rollout leaves in memory are
    delivered here.
    """
    if call_events.tells_nothing:
        return None
    if settings.redis_rollout_percent >= 100:
        return MemoryOutbox(memory, sink_names(settings), elsewhere=lambda call_sid: True)
    outbox = await stack.enter_async_context(local_delivery(memory, settings, call_events, elsewhere=waits_for_redis))
    await stack.enter_async_context(OutboxWatch(outbox, settings.events_max_bytes))
    return outbox


def _turn_store(
    settings: Settings, redis: Redis, channel: str, breaker: Breaker, elsewhere: StateManagerBase | None
) -> RedisTurnStore:
    return RedisTurnStore(
        redis,
        ttl_seconds=settings.state_ttl_seconds,
        ended_ttl_seconds=settings.ended_ttl,
        states=elsewhere,
        listener=channel,
        max_active_calls=settings.max_active_calls,
        api_max_active_calls=CallLimits.of(settings).api,
        breaker=breaker,
        wait=replica_wait(settings),
        secret=erasure_secret(settings),
        push=True,
        events=CallEvents.of(settings),
        rates=_call_rates(settings),
    )


def _call_rates(settings: Settings) -> CallRates:
    return CallRates.of(settings, erasure_secret(settings))
