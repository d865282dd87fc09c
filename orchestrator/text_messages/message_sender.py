"""Carries out the messages of calls: posts each to the provider at most once, and settles it with its status.

A confirmed mark precedes the post. Whoever finds a message with that mark never posts it, but asks the provider whether
it has it. So does, before it posts, whoever may not be the first with it: a failover may have lost the mark.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from orchestrator.events.call_events import CallEvents
from orchestrator.process_metrics import catalog
from orchestrator.provider_api.client import THREADS, ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.retrying import until_deadline
from orchestrator.schedule.item import MessageItem
from orchestrator.schedule.schedule import Schedule, ScheduledRun
from orchestrator.settings import Settings
from orchestrator.text_messages.addressing import Addresses, NotSendable, addresses_of
from orchestrator.text_messages.posted_messages import CLOCK_SKEW, candidates
from orchestrator.text_messages.retry_times import RetryTimes
from orchestrator.text_messages.status_event import Status, status_event

logger = logging.getLogger(__name__)


MOST_AT_ONCE = THREADS
"""More would wait for a thread of the provider's client, already marked as being posted."""
FRESH_SECONDS = 5.0
"""A message that is older may have been tried, though nothing says so. A failover takes longer than that."""
STORE_SECONDS = 10.0
"""How long the store may take to note what the provider said. After that the provider is asked again."""
REFUSED = 422
"""The status of a `ProviderError` where the provider takes neither this message nor the same one later."""
UNANSWERED = "The provider did not answer, and does not list the message."


class MessageSender:
    """An `ItemHandler` for messages: they are posted by `api` and settled in `schedule` with what `events` says.

    Messages of one call are sent one after the other, in the order in which they were claimed.
    """

    def __init__(
        self,
        schedule: Schedule,
        settings: Settings,
        api: ProviderApi,
        events: CallEvents,
        *,
        times: RetryTimes | None = None,
    ) -> None:
        self._schedule = schedule
        self._settings = settings
        self._api = api
        self._events = events
        self._times = times or RetryTimes()
        self._running = 0
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
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
            async with self._in_order(item.call_sid), self._slots:
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
        try:
            if not await self._schedule.mark_posting(run):
                return
        except StoreUnavailable:  # it may be marked, but nothing was posted; the provider has not refused anything
            await self._try_again(run, item, clock.now() + self._times.first_retry)
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
            retried = await self._schedule.fail(run, now + self._times.ask_after[0])
        elif error.is_temporary and now < item.due_at.timestamp() + self._times.give_up:
            await self._try_again(run, item, now + self._times.retry_pause(run.failures, error.retry_after), error.code)
            return
        else:
            await self._settle(run, item, "failed", reason=_sentence_of(error), code=error.code)
            return
        if retried:
            self._note_retry(item, "the provider is asked for it", error.code)

    async def _try_again(self, run: ScheduledRun, item: MessageItem, retry_at: float, code: int | None = None) -> None:
        """Have a message posted again that surely was not. If that cannot be noted, the mark stays, and it is not."""
        retry = partial(self._schedule.fail, run, retry_at, is_undone=True)
        if await until_deadline(retry, STORE_SECONDS):
            self._note_retry(item, "it is tried again", code)

    @staticmethod
    def _note_retry(item: MessageItem, what_follows: str, code: int | None) -> None:
        extra = {"action": "message.retried", **_about(item), "code": code}
        logger.info("It is not known that a text message was sent: %s", what_follows, extra=extra)

    async def _ask(self, run: ScheduledRun, item: MessageItem, addresses: Addresses, posting_since: float) -> None:
        """Find out whether a message was sent whose answer was lost."""
        try:
            if await self._find(run, item, addresses, posting_since):
                return
        except ProviderError:
            await self._ask_later(run, item, "unknown", posting_since + self._times.ask_for)
            return
        ask_at = self._times.next_ask(posting_since, clock.now())
        if ask_at is None:
            await self._settle(run, item, "unknown", reason=UNANSWERED)
        else:
            await self._schedule.fail(run, ask_at)

    async def _was_posted(self, run: ScheduledRun, item: MessageItem, addresses: Addresses) -> bool:
        """Return True if there is nothing to post now: the provider has the message, or does not say."""
        posted_at = item.due_at.timestamp()
        try:
            return await self._find(run, item, addresses, posted_at)
        except ProviderError:
            status: Status = "unknown" if _was_lost(run) else "failed"
            await self._ask_later(run, item, status, posted_at + self._times.give_up)
            return True

    async def _ask_later(self, run: ScheduledRun, item: MessageItem, status: Status, until: float) -> None:
        """The provider does not say whether it has the message. After `until` its status is that."""
        if (now := clock.now()) < until:
            await self._schedule.fail(run, now + self._times.retry_pause(run.failures))
        else:
            await self._settle(run, item, status, reason="The provider does not answer.")

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
        name = message_sid if is_own else ""
        if not await until_deadline(lambda: self._schedule.settle(run, announcement, name=name), STORE_SECONDS):
            return False
        catalog.TEXT_MESSAGES.inc(status)
        extra = {**_about(item), "message_sid": message_sid}
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


def _about(item: MessageItem) -> dict[str, str]:
    return {"call_sid": item.call_sid, "turn_id": item.asked_by}


def _sentence_of(error: ProviderError) -> str:
    """Return why the provider does not send a message, without its own words: they quote the number."""
    return "The provider refuses it." if error.status == REFUSED else str(error)


def _may_be_posted(run: ScheduledRun, item: MessageItem) -> bool:
    """True if somebody may have posted the message although no mark says so: a failover may have taken that back."""
    return _was_lost(run) or clock.now() > item.due_at.timestamp() + FRESH_SECONDS


def _was_lost(run: ScheduledRun) -> bool:
    """True if a process that had the message died, or lost its lease."""
    return run.attempt > run.failures + 1
