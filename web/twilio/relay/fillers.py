"""Fillers: short sentences for a caller who would otherwise hear nothing for long."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from orchestrator.process_metrics import catalog
from orchestrator.tasks import cancel_and_wait
from web.ingress import Timeouts
from web.twilio import twiml
from web.twilio.relay.connection import ConnectionLost
from web.twilio.relay.playout import Playout
from web.twilio.relay.reply_metrics import CHANNEL

T = TypeVar("T")

RETRY_SECONDS = 0.5
"""When a filler is due but must not be said yet, try again after this time."""


async def with_fillers(
    work: Coroutine[Any, Any, T], playout: Playout, timeouts: Timeouts, *, reason: str, is_silent: Callable[[], bool]
) -> T:
    """Return what `work` returns, and say fillers until then. `reason` is why, for the metrics.

    A filler is said only while `is_silent`: the caller is there and hears nothing else.
    """
    task, fillers, pause = asyncio.create_task(work), 0, timeouts.filler_after
    try:
        while not (await asyncio.wait({task}, timeout=pause))[0]:
            pause = RETRY_SECONDS
            if not is_silent():
                continue
            try:
                await playout.say(twiml.filler_text(fillers))
                catalog.count_filler(CHANNEL, reason, fillers)
            except ConnectionLost:  # let the work finish: it stores what the caller has said
                await asyncio.wait({task})
            fillers, pause = fillers + 1, timeouts.wait
        return task.result()
    finally:
        await cancel_and_wait(task, seconds=1)
