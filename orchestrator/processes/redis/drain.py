"""Tells workers to drain: by a key that each looks for when it reports, and at once by a message, which may be lost."""

from collections.abc import Awaitable, Mapping
from typing import cast

from redis.asyncio import Redis

from orchestrator import clock
from orchestrator.errors import UnknownProcess, WorkersTooOld
from orchestrator.health.features import DRAIN, has_feature
from orchestrator.processes.drain import DRAIN_MESSAGE
from orchestrator.processes.redis.reports import read_reports
from orchestrator.processes.report import Process, Report, process_of
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors

ORDER_SECONDS = 3600
"""How long an order is kept. A worker that ends removes it."""


async def order_drain(redis: Redis, worker_id: str) -> Process:
    """Tell the worker to drain, and return it. It may be told twice.

    Raise `UnknownProcess`, `WorkersTooOld` if it cannot be told, or `StoreUnavailable`.
    """
    worker = drainable(worker_id, await read_reports(redis))
    with store_errors():
        await redis.set(keys.drain_order(worker_id), 1, ex=ORDER_SECONDS)
        await cast(Awaitable[int], redis.publish(keys.control_channel(worker_id), DRAIN_MESSAGE))
    return {**worker, "state": "draining"}


def drainable(worker_id: str, reports: Mapping[str, Report]) -> Process:
    """Return the worker of that id. Raise `UnknownProcess`, or `WorkersTooOld` if it cannot be told to drain."""
    report = reports.get(worker_id, {})
    process = None if "left_at" in report else process_of(worker_id, report, clock.now())
    if process is None or process["state"] == "lost":
        raise UnknownProcess
    if process["role"] != "worker":
        raise UnknownProcess("That is an ingress, and only workers are told to drain: send its process SIGTERM.")
    if not has_feature(report, DRAIN):
        raise WorkersTooOld("This worker is of a version that cannot be told to drain: send its process SIGTERM.")
    return process
