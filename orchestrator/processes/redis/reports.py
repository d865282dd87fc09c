"""The reports of processes in Redis: one hash, whose values have no words and no numbers of callers."""

import json
from collections.abc import Awaitable, Mapping
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from orchestrator import clock
from orchestrator.health.workers import list_workers
from orchestrator.processes.report import KEPT_SECONDS, NO_GAP, Gap, Process, Report, forgettable, processes_of
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of, with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.redis.stored_objects import stored_object

HASH_TTL_SECONDS = int(KEPT_SECONDS) + 60


def write_report(pipe: Pipeline, process_id: str, report: Report) -> None:
    """Add to `pipe` what writes the report of a process that is there now. Its reply is 1 if there was none."""
    pipe.hset(keys.PROCESSES, process_id, json.dumps({**report, "seen_at": clock.now()}))


def keep_reports(pipe: Pipeline) -> None:
    """Add to `pipe` what renews the time to live of all reports: once a minute, and where there was no report yet."""
    pipe.expire(keys.PROCESSES, HASH_TTL_SECONDS)


def write_end(pipe: Pipeline, process_id: str, report: Report) -> None:
    """Add to `pipe` what notes that the process ends by itself, and is not lost."""
    write_report(pipe, process_id, {**report, "left_at": clock.now()})


async def read_reports(redis: Redis) -> dict[str, Report]:
    """Return the reports by process id, with those of processes that have ended lately (`left_at`).

    A worker of an earlier version has none: what its heartbeat says is taken instead. Raise `StoreUnavailable`.
    """
    reports = await _stored(redis)
    older = await list_workers(redis, known=reports)
    return {**reports, **{worker["id"]: {**worker, "role": "worker"} for worker in older}}


async def list_processes(redis: Redis, gap: Gap = NO_GAP) -> list[Process]:
    """Return the processes that run, or were lost in the last ten minutes. Raise `StoreUnavailable`.

    `gap` is when Redis was down lately.
    """
    return processes_of(await read_reports(redis), clock.now(), gap)


async def forget_old_reports(redis: Redis) -> None:
    """Remove the reports that are too old or too many. Raise `StoreUnavailable`."""
    if old := forgettable(await _stored(redis), clock.now()):
        with store_errors():
            await cast(Awaitable[int], redis.hdel(keys.PROCESSES, *old))


async def _stored(redis: Redis) -> dict[str, Report]:
    async def read() -> Mapping[bytes, bytes]:
        return await cast(Awaitable[Mapping[bytes, bytes]], redis.hgetall(keys.PROCESSES))

    with store_errors():
        found = await with_sound_keys(redis, [keys.PROCESSES], read)
    return {text_of(process_id): stored_object(text) for process_id, text in found.items()}
