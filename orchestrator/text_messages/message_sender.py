"""Carries out the messages of calls: posts each to the provider at most once, and settles it with its status.

A confirmed mark precedes the post. Whoever finds a message with that mark never posts it, but asks the provider whether
it has it. So does, before it posts, whoever may not be the first with it: a failover may have lost the mark.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from orchestrator import clock
from orchestrator.events.call_events import CallEvents
from orchestrator.process_metrics import catalog
from orchestrator.provider_api.client import THREADS, ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.schedule.item import MessageItem
from orchestrator.schedule.schedule import Schedule, ScheduledRun
from orchestrator.settings import Settings
from orchestrator.text_messages.addressing import Addresses, NotSendable, addresses_of
from orchestrator.text_messages.posted_messages import CLOCK_SKEW, candidates
from orchestrator.text_messages.retry_times import (
    ASK_AFTER_SECONDS,
    ASK_FOR_SECONDS,
    GIVE_UP_SECONDS,
    next_ask,
    retry_pause,
)
from orchestrator.text_messages.status_event import Status, status_event

logger = logging.getLogger(__name__)


MOST_AT_ONCE = THREADS
"""More would wait for a thread of the provider's client, marked as being posted."""
FRESH_SECONDS = 5.0
"""How old a message may be that nobody has tried before."""
UNANSWERED = "The provider did not answer, and does not list the message."


class MessageSender:
    """An `ItemHandler` for messages: they are posted by `api` and settled in `schedule` with what `events` says.

    Messages of one call are sent one after the other, in the order in which they were claimed.
    """

    def __init__(self, schedule: Schedule, settings: Settings, api: ProviderApi, events: CallEvents) -> None:
        self._schedule = schedule
        self._settings = settings
        self._api = api
        self._events = events
        self._running = 0
        self._calls: dict[str, _CallQueue] = {}

    @property
    def room(self) -> int:
        """How many more messages may be begun now."""
        return max(0, MOST_AT_ONCE - self._running)

    async def carry_out(self, run: ScheduledRun) -> None:
        """Post the message, or find out what became of it, and settle it. Raise `StoreUnavailable`."""
        item = run.item
        assert isinstance(item, MessageItem)
        self._running += 1
        try:
            async with self._in_order(item.call_sid):
                await self._carry_out(run, item)
        finally:
            self._running -= 1

    async def _carry_out(self, run: ScheduledRun, item: MessageItem) -> None:
        try:  # in a thread: what knows telephone numbers is imported with the first one
            addresses = await asyncio.to_thread(addresses_of, item, self._settings)
        except NotSendable as reason:
            await self._settle(run, item, "failed" if run.posting_since is None else "unknown", reason=str(reason))
            return
        if run.posting_since is not None:
            await self._ask(run, item, addresses, run.posting_since)
        elif not _may_be_posted(run, item) or not await self._was_posted(run, item, addresses):
            await self._post(run, item, addresses)

    async def _post(self, run: ScheduledRun, item: MessageItem, addresses: Addresses) -> None:
        if not await self._schedule.mark_posting(run):
            return
        try:
            message_sid = await self._api.send_message(addresses.sender, addresses.to, item.text)
        except ProviderError as error:
            await self._not_sent(run, item, error)
            return
        if not await self._settle(run, item, "sent", message_sid, is_own=True):
            await self._settle(run, item, "sent", message_sid)  # an equal one whose answer was lost was taken for ours

    async def _not_sent(self, run: ScheduledRun, item: MessageItem, error: ProviderError) -> None:
        now = clock.now()
        if error.is_unknown:
            await self._schedule.fail(run, now + ASK_AFTER_SECONDS[0])
        elif error.is_temporary and now < item.due_at.timestamp() + GIVE_UP_SECONDS:
            await self._schedule.fail(run, now + retry_pause(run.failures, error.retry_after), is_undone=True)
        else:
            await self._settle(run, item, "failed", reason="The provider refuses it.", code=error.code or error.status)
            return
        extra = {"action": "message.retried", "call_sid": item.call_sid, "turn_id": item.asked_by, "code": error.code}
        sentence = "it is asked for it" if error.is_unknown else "it is tried again"
        logger.info("The provider did not say that it takes a text message; %s", sentence, extra=extra)

    async def _ask(self, run: ScheduledRun, item: MessageItem, addresses: Addresses, posting_since: float) -> None:
        """Find out whether a message was sent whose answer was lost."""
        try:
            if await self._find(run, item, addresses, posting_since):
                return
        except ProviderError:
            may_go_on = clock.now() < posting_since + ASK_FOR_SECONDS
            ask_at = clock.now() + retry_pause(run.failures, None) if may_go_on else None
        else:
            ask_at = next_ask(posting_since, clock.now())
        if ask_at is None:
            await self._settle(run, item, "unknown", reason=UNANSWERED)
        else:
            await self._schedule.fail(run, ask_at)

    async def _was_posted(self, run: ScheduledRun, item: MessageItem, addresses: Addresses) -> bool:
        """Return True if there is nothing to post: the provider has the message, or does not answer."""
        try:
            return await self._find(run, item, addresses, item.due_at.timestamp())
        except ProviderError as error:
            await self._not_sent(run, item, ProviderError(str(error), error.status, is_temporary=True, code=error.code))
            return True

    async def _find(self, run: ScheduledRun, item: MessageItem, addresses: Addresses, since: float) -> bool:
        """Settle the message if the provider has it. Return whether it has. Raise `ProviderError`."""
        from_then_on = datetime.fromtimestamp(since, UTC)
        found = await self._api.find_messages(addresses.to, from_then_on - CLOCK_SKEW)
        for message in candidates(found, addresses, item.text, from_then_on):
            if await self._settle(run, item, "sent", message.message_sid, is_own=True):
                return True
        return False

    async def _settle(
        self,
        run: ScheduledRun,
        item: MessageItem,
        status: Status,
        message_sid: str = "",
        *,
        is_own: bool = False,
        reason: str = "",
        code: int | None = None,
    ) -> bool:
        """Tell what became of the message. Return False if another process does that, or, with `is_own`, if another
        message of the call has this SID."""
        announcement = status_event(self._events, item, status, message_sid)
        if not await self._schedule.settle(run, announcement, name=message_sid if is_own else ""):
            return False
        catalog.TEXT_MESSAGES.inc(status)
        extra = {"call_sid": item.call_sid, "turn_id": item.asked_by, "message_sid": message_sid}
        if status == "sent":
            logger.info("Text message sent", extra={"action": "message.sent", **extra})
        elif status == "failed":
            extra_of_failure = {"action": "message.failed", **extra, "code": code}
            logger.warning("A text message was not sent: %s", reason, extra=extra_of_failure)
        else:
            logger.warning(
                "Nobody knows whether a text message was sent: %s", reason, extra={"action": "message.unknown", **extra}
            )
        return True

    @asynccontextmanager
    async def _in_order(self, call_sid: str) -> AsyncIterator[None]:
        queue = self._calls.setdefault(call_sid, _CallQueue())
        queue.length += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.length -= 1
            if not queue.length:
                del self._calls[call_sid]


class _CallQueue:
    """The messages of one call that are carried out here."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.length = 0


def _may_be_posted(run: ScheduledRun, item: MessageItem) -> bool:
    """True if somebody may have posted the message although no mark says so: a failover may have taken that back."""
    is_old = not run.failures and clock.now() > item.due_at.timestamp() + FRESH_SECONDS
    return is_old or run.attempt > run.failures + 1
