"""Keeps an ingress listening to the calls whose sockets it has: what is published about a call reaches its listeners.

A turn that is submitted makes its ingress listen for two minutes. A caller may be silent for longer, while a timer
fires or a signal comes. So all such calls are renewed together, and with that each listener learns whether its call has
changed without a message.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from orchestrator.dispatch import scripts
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.errors import StoreUnavailable
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

RENEW_SECONDS = 40.0
RETRY_SECONDS = 1.0
BATCH_SIZE = 1000
"""How many calls are renewed in one round trip."""


class Listening:
    """Renews what `listeners` listen to on `channel`. A context manager that owns its task.

    Calls that run in this process without Redis, by `is_elsewhere`, are left out.
    """

    def __init__(
        self,
        connection: StoreConnection,
        channel: str,
        listeners: CallListeners,
        is_elsewhere: Callable[[str], bool] = lambda call_sid: False,
        *,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._listeners = listeners
        self._is_elsewhere = is_elsewhere
        self._renew_seconds = renew_seconds
        self._now = asyncio.Event()
        self._was_cut = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Listening":
        self._listeners.on_watch = self._now.set
        self._task = asyncio.create_task(self._run(), name="keep listening to calls")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(self._task)

    def was_lost(self) -> None:
        """Note that nothing is heard for now."""
        self._listeners.missed(lambda call_sid: not self._is_elsewhere(call_sid))

    def was_cut(self) -> None:
        """Note that the subscription was cut for a while: renew all calls now, and look what was missed."""
        self._was_cut = True
        self.was_lost()
        self._now.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._renew_seconds):
                    await self._now.wait()
            self._now.clear()
            try:
                await self._renew()
            except StoreUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
                self._now.set()
            except Exception:
                logger.exception("Calls could not be listened to; report this")

    async def _renew(self) -> None:
        call_sids = [call_sid for call_sid in self._listeners.call_sids if not self._is_elsewhere(call_sid)]
        for first in range(0, len(call_sids), BATCH_SIZE):
            some = call_sids[first : first + BATCH_SIZE]
            renewals = [scripts.keep_listening(call_sid=call_sid, channel=self._channel) for call_sid in some]
            for call_sid, kept in zip(some, await self._connection.run_all(renewals), strict=True):
                if kept.version is not None or kept.was_lost or self._was_cut:
                    self._listeners.look(call_sid, kept.version)
        self._was_cut = False
