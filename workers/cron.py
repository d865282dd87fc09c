"""The cron jobs. arq runs each on one worker at a time, at whole seconds of the minute.

A job costs some thirty commands, whatever it does, so what is done often is done by one.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from arq.cron import CronJob, cron
from arq.worker import Function, func

from orchestrator import clock
from orchestrator.conversation.call_sid import call_sid_of
from orchestrator.errors import StoreUnavailable
from orchestrator.events.sinks.factory import sink_fingerprints, sink_names
from orchestrator.events.survey import survey_outbox
from orchestrator.operator_changes.redis import log_changes
from orchestrator.redis import keys
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.settings import Settings
from orchestrator.turns.abandoned_calls import TimeLeft, end_abandoned_calls, longest_silence
from workers.runtime import WorkerRuntime

logger = logging.getLogger(__name__)

CRON_RUN_TTL_SECONDS = 150
LEAST_WINDOW_SECONDS = 50.0
"""An open call is checked at least this long before its state expires: longer than the interval of this cron job."""
MOST_CALLS = 500
HOUSEKEEPING = "cron:end_abandoned"
CLEAN_UP = "cron:clean_up"
"""What workers of an earlier version queue: there each was a job of its own."""
HOUSEKEEPING_SECONDS = {20, 50}
CLEAN_UP_SECONDS = range(5, 35)
"""The clean-up belongs to the job that is due in these seconds of the minute."""


async def keep_house(ctx: dict[Any, Any]) -> None:
    """End abandoned calls, and once a minute clean up. One does not wait for the other, nor fail with it."""
    due = [_within(25, end_abandoned(ctx))]
    if int(ctx["score"] / 1000) % 60 in CLEAN_UP_SECONDS:
        due.append(_within(30, clean_up(ctx)))
    for result in await asyncio.gather(*due, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


async def _within(seconds: float, job: Coroutine[Any, Any, int]) -> int:
    async with asyncio.timeout(seconds):
        return await job


async def clean_up(ctx: dict[Any, Any]) -> int:
    """Remove expired calls from the indexes. Return how many there were."""
    runtime: WorkerRuntime = ctx["runtime"]
    dropped = await runtime.states.cleanup_expired()
    if dropped:
        logger.info("Cleaned up after %d expired calls", dropped, extra={"action": "cron.clean_up"})
    await survey_schedules(runtime)
    return dropped


async def survey_schedules(runtime: WorkerRuntime) -> None:
    """Cluster: see that the indexes have all active calls that have something scheduled."""
    schedule = runtime.store.schedule
    if schedule.index.is_one_step:
        return
    with suppress(StoreUnavailable):
        calls = await runtime.states.get_all_call_sids()
        for first in range(0, len(calls), MOST_CALLS):
            await schedule.survey(calls[first : first + MOST_CALLS])


async def end_abandoned(ctx: dict[Any, Any]) -> int:
    """End calls that have been silent for long: their status callback never came. Return how many were ended."""
    runtime: WorkerRuntime = ctx["runtime"]
    life = runtime.store.life_ms / 1000
    try:
        await _record_cron_run(runtime)
        await log_changes(runtime.store.redis)
        return await end_abandoned_calls(runtime.store, runtime.states, await _idle_calls(runtime, life), life=life)
    except StoreUnavailable:
        return 0


async def survey_events(ctx: dict[Any, Any]) -> None:
    """Count the events that are not delivered, bound them, and write what was found for health and metrics."""
    runtime: WorkerRuntime = ctx["runtime"]
    settings: Settings = ctx["settings"]
    outbox = runtime.store.outbox
    if not outbox.sinks:
        return
    with suppress(StoreUnavailable):
        report = await survey_outbox(
            outbox,
            at=clock.now(),
            max_bytes=settings.events_max_bytes,
            fingerprints=sink_fingerprints(settings),
        )
        with store_errors():
            await runtime.store.redis.set(keys.OUTBOX_REPORT, report.model_dump_json(), ex=keys.OUTBOX_REPORT_SECONDS)


async def delete_old_records(ctx: dict[Any, Any]) -> None:
    """Delete from the database what is older than `RETENTION_DAYS`."""
    from orchestrator.records.retention import keep_retention  # its import wants the extra `postgres`

    await keep_retention(ctx["settings"])


async def _record_cron_run(runtime: WorkerRuntime) -> None:
    """Record the time, as proof that the queue, the cron and a worker all work."""
    with store_errors():
        await runtime.store.redis.set(keys.LAST_CRON_RUN, clock.now(), ex=CRON_RUN_TTL_SECONDS)


async def _idle_calls(runtime: WorkerRuntime, life: float) -> list[tuple[str, TimeLeft]]:
    """Return calls that have been silent for a while, each with the seconds until its entry in the index expires."""
    if runtime.store.states is not None:  # only the states themselves say since when a call is silent
        return [(call_sid, None) for call_sid in await runtime.states.get_all_call_sids()]
    redis, window = runtime.store.redis, max(life - longest_silence(life), LEAST_WINDOW_SECONDS)
    shards = runtime.store.call_queue.shards

    async def read() -> tuple[float, list[list[tuple[bytes, float]]]]:
        now = clock.now()  # which is the server's
        async with redis.pipeline(transaction=False) as pipe:
            for shard in shards:
                pipe.zrangebyscore(shard.calls, f"({now}", now + window, start=0, num=MOST_CALLS, withscores=True)
            return now, await pipe.execute()

    with store_errors():
        now, found = await with_sound_keys(redis, [shard.calls for shard in shards], read)
    entries = [(call_sid_of(name), score - now) for idle in found for name, score in idle]
    return [(call_sid, left) for call_sid, left in entries if call_sid is not None]


def earlier_jobs() -> list[Function]:
    """Return what runs the jobs that only workers of an earlier version queue."""
    return [func(clean_up, name=CLEAN_UP, keep_result=0, timeout=30, max_tries=1)]


def cron_jobs(settings: Settings) -> list[CronJob]:
    """Return the cron jobs of a worker with these settings."""
    jobs = [
        cron(keep_house, name=HOUSEKEEPING, second=HOUSEKEEPING_SECONDS, timeout=35, max_tries=1),
    ]
    if sink_names(settings):
        jobs.append(cron(survey_events, second={5, 35}, timeout=25, max_tries=1))
    if settings.retention_days is not None and settings.events_database_url is not None:
        jobs.append(cron(delete_old_records, minute=17, second=40, timeout=300, max_tries=1))
    return jobs
