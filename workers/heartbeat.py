"""A worker's heartbeat: what the worker is and does, written to Redis because nothing can connect to a worker."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from orchestrator import clock
from orchestrator.agents.host import AgentHost
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import StoreUnavailable
from orchestrator.fleet_metrics.redis.report import CountsReport
from orchestrator.health.features import FEATURES
from orchestrator.health.worker_status import status_text
from orchestrator.processes.redis.reports import (
    HASH_TTL_SECONDS,
    forget_old_reports,
    keep_reports,
    write_end,
    write_report,
)
from orchestrator.processes.report import own_report
from orchestrator.redis import keys
from orchestrator.redis.ciphers import cipher_of
from orchestrator.redis.damage import with_sound_keys
from orchestrator.redis.errors import store_errors
from orchestrator.turns.progress import progress_of
from orchestrator.turns.runner import TurnRunner

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
WATCHED_INTERVAL_SECONDS = 1.0
"""The interval while a dashboard is open, which shows what is being said."""
STATUS_TTL_SECONDS = 20
LIST_TTL_SECONDS = 150
TIDY_EVERY = 12
"""One heartbeat of so many does what need not be done each time: once a minute."""

REPORTED = (
    "role", "host", "pid", "version", "agent", "started_at", "running", "slots", "draining", "stuck_threads",
    "features",
)  # fmt: skip
"""The fields of the status that stay in the list of all processes after the worker is gone."""


class _Heard(NamedTuple):
    """What a heartbeat finds in Redis."""

    is_watched: bool
    has_plan: bool
    is_to_drain: bool


async def send_heartbeats(
    redis: Redis,
    holder: str,
    runner: TurnRunner,
    host: AgentHost,
    *,
    agent: str,
    version: str,
    slots: int,
    cannot_claim: Callable[[], bool],
    on_rollout: Callable[[bool], None],
    on_drain: Callable[[], None],
) -> None:
    """Send heartbeats until cancelled, then remove the worker from the list of workers.

    `slots` is how many turns it runs at most. `cannot_claim` returns True if Redis answers and refuses the worker's
    claims. `on_rollout` is told each time whether there is a rollout plan. `on_drain` is called while there is an
    order to drain. What the process counts is reported along with the heartbeat.
    """
    counts = CountsReport(redis, holder)
    own = own_report("worker", version=version, agent=agent, started_at=clock.now())
    status: dict[str, object] = dict(own)
    is_watched, was_unable = False, False
    try:
        for number in itertools.count():
            is_unable = cannot_claim()
            status = {
                **own, "running": len(runner.running), "slots": slots, "draining": runner.draining,
                "stuck_threads": host.stuck_threads, "outcomes": runner.outcomes.status(),
                "features": FEATURES, **_known_keys(cipher_of(redis)),
            }  # fmt: skip
            if is_watched:
                status["turns"] = progress_of(runner)
            try:
                tidies = was_unable or is_unable or number % TIDY_EVERY == 0
                heard = await _send(redis, holder, status, is_unable=is_unable, tidies=tidies)
                is_watched = heard.is_watched
                on_rollout(heard.has_plan)
                if heard.is_to_drain:
                    on_drain()
                was_unable = is_unable
                await counts.send(everything=number % TIDY_EVERY == 0)
                if number % TIDY_EVERY == 0:
                    await forget_old_reports(redis)
            except StoreUnavailable:
                logger.debug("A heartbeat was not recorded")
            except Exception:
                logger.exception(
                    "A heartbeat was not recorded; report this", extra={"action": "worker.heartbeat_failed"}
                )
            await asyncio.sleep(WATCHED_INTERVAL_SECONDS if is_watched else INTERVAL_SECONDS)
    finally:
        with suppress(StoreUnavailable, TimeoutError), store_errors():
            async with asyncio.timeout(1):
                await _leave(redis, holder, status)
                await counts.send(everything=True)


def _known_keys(cipher: Cipher) -> dict[str, object]:
    """Return the ids of the encryption keys that this process has, the one that encrypts first, and of those that it
    lacks. "plain" stands for none, as in `STATE_ENCRYPTION_KEYS`."""
    known: dict[str, object] = {"keys": cipher.keys.ids} if cipher.keys.all else {}
    missing = cipher.missing.lately()
    return {**known, "missing_keys": missing} if missing else known


async def _send(redis: Redis, holder: str, status: dict[str, object], *, is_unable: bool, tidies: bool) -> _Heard:
    """Send one heartbeat. Return what was found in Redis.

    With `tidies`, also say whether the worker can claim, and remove workers that are gone from the list.
    """

    async def send() -> _Heard:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.WORKERS, {holder: clock.now()})
            if tidies:
                pipe.expire(keys.WORKERS, LIST_TTL_SECONDS)
                pipe.zremrangebyscore(keys.WORKERS, "-inf", clock.now() - 60)
                _note_unable(pipe, holder, is_unable)
            pipe.set(keys.worker_status(holder), status_text(cipher_of(redis), holder, status), ex=STATUS_TTL_SECONDS)
            write_report(pipe, holder, _report(status))
            if tidies:
                keep_reports(pipe)
            # One command tells of three keys: one that is named twice counts twice.
            pipe.exists(*[keys.WATCHED] * 4, *[keys.ROLLOUT_MARK] * 2, keys.drain_order(holder))
            is_new, *_, found = await pipe.execute()
        if is_new and not tidies:  # the lists were lost, so these are new ones
            await redis.expire(keys.WORKERS, LIST_TTL_SECONDS)
            await redis.expire(keys.PROCESSES, HASH_TTL_SECONDS)
        return _Heard(is_watched=bool(found & 4), has_plan=bool(found & 2), is_to_drain=bool(found & 1))

    with store_errors():
        return await with_sound_keys(redis, [keys.WORKERS, keys.UNABLE_WORKERS, keys.PROCESSES], send)


def _report(status: Mapping[str, object]) -> dict[str, object]:
    """Return what all see of the worker, in the list of all processes."""
    return {name: status[name] for name in REPORTED if name in status}


async def _leave(redis: Redis, holder: str, status: Mapping[str, object]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zrem(keys.WORKERS, holder)
        pipe.zrem(keys.UNABLE_WORKERS, holder)
        pipe.delete(keys.worker_status(holder))
        pipe.delete(keys.drain_order(holder))
        write_end(pipe, holder, _report(status))
        keep_reports(pipe)
        await pipe.execute()


def _note_unable(pipe: Pipeline, holder: str, is_unable: bool) -> None:
    if is_unable:
        pipe.zadd(keys.UNABLE_WORKERS, {holder: clock.now()})
        pipe.expire(keys.UNABLE_WORKERS, LIST_TTL_SECONDS)
    else:
        pipe.zrem(keys.UNABLE_WORKERS, holder)
