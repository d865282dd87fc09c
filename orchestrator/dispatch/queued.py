"""Submits turns to workers through Redis, and gets their replies over pub/sub."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from types import TracebackType

from redis.asyncio import Redis

from orchestrator.conversation.reply import TurnResult
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.hub import Pending, ReplyHub
from orchestrator.dispatch.listening import Listening
from orchestrator.dispatch.socket_check import SocketCheck
from orchestrator.dispatch.store_dispatcher import StoreDispatcher
from orchestrator.dispatch.takeover import Takeover
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import CallEnded, CallRefused, StoreUnavailable, UnknownCall, UnreadableSeal
from orchestrator.redis.subscription import Subscription
from orchestrator.tasks import cancel_and_wait
from orchestrator.turns.messages import (
    CallReleased,
    CallTakenOver,
    SocketAnswer,
    SocketQuestion,
    ToIngress,
    read_to_ingress,
)
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Found, Waiting

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often a turn whose result has not arrived over pub/sub is read from Redis."""


class QueuedDispatcher(StoreDispatcher):
    """A dispatcher for separate workers. Use it as a context manager.

    `listening` is a client whose reads may block for long; `channel` is the one on which `store` asks workers to reply.
    `socket_check` answers questions of other ingresses about sockets; without it they are ignored. `listeners` hear
    what others cause in their calls, but for those that are not in Redis, by `is_elsewhere`. `sensitive` is the cipher
    of sensitive turns.
    """

    store: RedisTurnStore

    def __init__(
        self,
        store: RedisTurnStore,
        listening: Redis,
        channel: str,
        takeover: Takeover,
        socket_check: SocketCheck | None = None,
        *,
        listeners: CallListeners | None = None,
        sensitive: Cipher | None = None,
        is_elsewhere: Callable[[str], bool] = lambda call_sid: False,
    ) -> None:
        super().__init__(store, ReplyHub(listeners, sensitive))
        self._listening = Listening(store.connection, channel, self.hub.listeners, is_elsewhere)
        self.takeover = takeover
        self._socket_check = socket_check
        self._poll_now = asyncio.Event()
        self._subscription = Subscription(
            listening, channel, self._on_data, on_gap=self._on_gap, on_lost=self._listening.was_lost
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "QueuedDispatcher":
        await self._stack.enter_async_context(self._subscription)
        self._stack.push_async_callback(self.takeover.close)
        await self._stack.enter_async_context(self._listening)
        polling = asyncio.create_task(self._poll_missed(), name="poll for missed replies")
        self._stack.push_async_callback(cancel_and_wait, polling)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _on_gap(self) -> None:
        self._poll_now.set()
        self._listening.was_cut()

    def _on_data(self, data: bytes) -> None:
        try:
            message = read_to_ingress(data, self.store.connection.cipher)
        except UnreadableSeal as error:
            if error.is_key_missing:  # that is logged; the deadlines of whoever waits for it hold
                return
            raise
        self._on_message(message)

    def _on_message(self, message: ToIngress) -> None:
        if isinstance(message, CallTakenOver | CallReleased):
            self.takeover.on_message(message)
        elif isinstance(message, SocketQuestion | SocketAnswer):
            if self._socket_check is not None:
                self._socket_check.on_message(message)
        else:
            self.hub.deliver(message)

    async def _poll_missed(self) -> None:
        """Read replies that pub/sub lost from the store, which has them. This bounds the wait for a lost reply."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._poll_now.wait()
            self._poll_now.clear()
            try:
                await self._poll()
            except StoreUnavailable:
                continue
            except Exception:
                logger.exception("Missed replies could not be read; report this")

    async def _poll(self) -> None:
        waiting = self.hub.unsettled(POLL_SECONDS if self._subscription.connected else 0)
        if not waiting:
            return
        found = await self.store.reader.find_many([(p.call_sid, p.turn_id) for p in waiting])
        for pending in waiting:
            if (turn := (pending.call_sid, pending.turn_id)) in found:
                with suppress(StoreUnavailable):  # of one call; the others may be on another node
                    await self._update(pending, found[turn])

    async def _update(self, pending: Pending, found: Found) -> None:
        if found is None:
            await self._submit_again(pending)
        elif isinstance(found, Waiting):
            await self.store.call_queue.ensure_due(pending.call_sid)
        else:
            pending.settle(found)

    async def _submit_again(self, pending: Pending) -> None:
        """Submit a turn again that Redis has lost: it was restarted or failed over, and its last writes are gone."""
        if pending.submit_again is None:
            return
        logger.warning(
            "Redis has lost a turn that it had stored; it is submitted again",
            extra={"action": "turn.resubmitted", "call_sid": pending.call_sid, "turn_id": pending.turn_id},
        )
        try:
            result = await pending.submit_again()
        except (UnknownCall, CallEnded):
            result = TurnResult(call_sid=pending.call_sid, turn_id=pending.turn_id, outcome="dropped")
        except CallRefused:
            return
        if result is not None:
            pending.settle(result)
