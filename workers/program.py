"""Builds and runs a worker process from the settings."""

import asyncio
from typing import Any

import uvloop

from orchestrator import tracing
from orchestrator.errors import BadSetting
from orchestrator.garbage import begin_collecting
from orchestrator.logs import configure_logging
from orchestrator.redis import keys
from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.connections import connection_pool
from orchestrator.settings import Settings, load_settings
from orchestrator.state.redis.opening import open_states
from workers.arq_client import ProducerPool
from workers.arq_keys import keep_arq_within
from workers.cron import cron_jobs, earlier_jobs
from workers.functions import run_turns
from workers.job_format import read_job, write_job
from workers.runtime import WorkerRuntime
from workers.worker import TurnWorker

HEALTH_EVERY_SECONDS = 20
POLL_SECONDS = 1.9
"""The longest wait for a wake-up: grants are pushed to workers that were heard of lately (`FRESH_MS`)."""
KEEP_RESULT_SECONDS = 3600  # arq's default. Producers of arq jobs may read results; turns have none


def run() -> None:
    """Run a worker until a signal stops it. Raise `BadSetting` or `BadAgent`."""
    settings = load_settings()
    _require_redis(settings)
    worker = make_worker(settings)
    tracing.start(settings, "worker")
    begin_collecting()
    try:
        worker.run()
    finally:
        tracing.stop()


def _require_redis(settings: Settings) -> None:
    if not settings.use_redis:
        raise BadSetting(
            "USE_REDIS is not true, and workers get their turns through Redis: set USE_REDIS=true and REDIS_URL, "
            "here and for web. Without Redis, web answers by itself and needs no workers."
        )


def make_worker(settings: Settings) -> TurnWorker:
    """Return a worker for `settings`, and set its event loop. Raise `BadSetting`."""
    configure_logging(settings, "worker")
    asyncio.set_event_loop(uvloop.new_event_loop())
    redis = ProducerPool(
        pool_or_conn=connection_pool(settings, max_connections=settings.worker_max_turns + 20),
        job_serializer=write_job,
        job_deserializer=read_job,
    )
    if isinstance(redis.connection_pool, ClusterPool):
        redis.default_queue_name = keys.SHARDS[0].queue
        keep_arq_within(keys.SHARDS[0].tag)
    worker = TurnWorker(
        queue_name=redis.default_queue_name,
        functions=[run_turns, *earlier_jobs()],
        cron_jobs=cron_jobs(settings),
        redis_pool=redis,
        on_startup=_start_runtime,
        on_shutdown=_stop_runtime,
        job_completion_wait=int(settings.drain_timeout_seconds),
        max_jobs=settings.worker_max_turns,
        poll_delay=POLL_SECONDS,
        job_timeout=60,
        keep_result=KEEP_RESULT_SECONDS,
        health_check_interval=HEALTH_EVERY_SECONDS,
        job_serializer=write_job,
        job_deserializer=read_job,
        log_results=False,
    )
    worker.ctx.update(settings=settings, worker=worker)
    return worker


async def _start_runtime(ctx: dict[Any, Any]) -> None:
    settings: Settings = ctx["settings"]
    states = open_states(settings, ctx["redis"])
    worker: TurnWorker = ctx["worker"]
    runtime = WorkerRuntime(settings, ctx["redis"], states, worker.claim_health)
    ctx["runtime"] = worker.runtime = await runtime.__aenter__()


async def _stop_runtime(ctx: dict[Any, Any]) -> None:
    if "runtime" in ctx:
        await ctx["runtime"].__aexit__(None, None, None)
