"""The survey of all outboxes: counts what is not delivered, forgets what was dead for long, and bounds its size."""

import logging
from collections.abc import Mapping

from orchestrator.events.dead_deliveries import DeadDeliveries
from orchestrator.events.outbox import Outbox
from orchestrator.events.outbox_report import OutboxReport, ReportBuilder, SinkReport
from orchestrator.process_metrics import catalog

logger = logging.getLogger(__name__)

CHUNK = 100
"""Calls that are read at once."""
DEAD_KEPT_SECONDS = 7 * 24 * 3600.0


async def survey_outbox(
    outbox: Outbox, *, at: float, max_bytes: int, fingerprints: Mapping[str, str] | None = None, chunk: int = CHUNK
) -> OutboxReport:
    """Walk through all calls of the outbox. Return what was found, `at` the time given in Unix seconds.

    Dead deliveries are dropped seven days after they were given up. If the events take more than `max_bytes`, the
    oldest dead ones are dropped first, before their time; pending ones never. `fingerprints` are of the addresses that
    sinks have now: one that was stopped at another address is not stopped any more. Raise `StoreUnavailable`.
    """
    builder = ReportBuilder(at, {name: SinkReport() for name in outbox.sinks})
    dead = DeadDeliveries(outbox)
    cursor = ""
    while True:
        tallies, cursor = await outbox.survey(cursor, chunk)
        for tally in tallies:
            builder.add(tally)
            dead.note(tally)
        if not cursor:
            break
    forgotten = await dead.drop_before(at - DEAD_KEPT_SECONDS)
    if forgotten:
        logger.warning(
            "%d dead deliveries were forgotten after seven days", forgotten, extra={"action": "events.forgotten"}
        )
    await _make_room(dead, builder.bytes, max_bytes)
    known = fingerprints or {}
    stopped = [it for it in await outbox.stopped_sinks() if known.get(it.sink, it.fingerprint) == it.fingerprint]
    return builder.build(max_bytes=max_bytes, stopped=stopped)


async def _make_room(dead: DeadDeliveries, used: int, max_bytes: int) -> None:
    """Drop the oldest dead deliveries while the events take more than `max_bytes`."""
    if used - dead.freed <= max_bytes:
        return
    dropped = await dead.drop_bytes(used - max_bytes)
    if dropped:
        catalog.DELIVERIES_DROPPED.inc(by=dropped)
        logger.error(
            "The outbox held %d bytes, more than EVENTS_MAX_BYTES (%d): the oldest %d dead deliveries were dropped",
            used, max_bytes, dropped, extra={"action": "events.dropped", "count": dropped},
        )  # fmt: skip
    if dead.is_empty and used - dead.freed > max_bytes:
        logger.error(
            "The outbox holds %d bytes, more than EVENTS_MAX_BYTES (%d), and nothing in it is dead. Nothing more is "
            "dropped: repair the sinks that `voiceagent events` names, before Redis is full",
            used - dead.freed, max_bytes, extra={"action": "events.full"},
        )  # fmt: skip
