"""The count of relay documents that all ingresses share."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from redis.asyncio import Redis

from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.redis.commands import sender_for
from orchestrator.redis.erased_calls import DropErased, nothing_erased
from orchestrator.redis.errors import store_errors
from orchestrator.redis.script_runner import ScriptRunner
from orchestrator.relay_documents import scripts
from orchestrator.relay_documents.store import (
    LIFE_SECONDS,
    TICKET_SECONDS,
    Document,
    Entry,
    MemoryRelayDocuments,
    Standing,
)
from orchestrator.tasks import cancel_and_wait

ANSWER_SECONDS = 1.0
"""How long a call may wait for Redis here."""
SHARE_RETRY_SECONDS = 1.0
_STANDINGS: dict[str, Standing] = {"entered": "entered", "again": "again", "old": "old"}


class RedisRelayDocuments:
    """See `RelayDocuments`. A session that began while Redis was down is shared once it is up again.

    `guard` is around each access to Redis; `drop_erased` deletes a key of a call that was erased. The owner calls
    `close`, which ends the tasks that share.
    """

    def __init__(
        self, redis: Redis, guard: Callable[[], AbstractContextManager[None]], drop_erased: DropErased = nothing_erased
    ) -> None:
        self._drop_erased = drop_erased
        self._guard = guard
        self._scripts = ScriptRunner(redis)
        self._command = sender_for(redis)
        self._memory = MemoryRelayDocuments()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def next(self, call_sid: str, *, over: int = 0) -> Document:
        """See `RelayDocuments`."""
        here = await self._memory.next(call_sid, over=over)
        try:
            with self._guard(), store_errors():
                async with asyncio.timeout(ANSWER_SECONDS):
                    number, at = await self._scripts.run(
                        scripts.next_relay_document(call_sid=call_sid, over=over, life_ms=LIFE_SECONDS * 1000)
                    )
                    await self._drop_erased(call_sid, keys.relay_documents(call_sid))
        except (StoreUnavailable, TimeoutError):
            return here
        return Document(max(number, here.number), at)

    async def enter(self, call_sid: str, document: Document, holder: str, *, instead_of: str = "") -> Entry:
        """See `RelayDocuments`."""
        made_at_ms = round(document.at * 1000)
        try:
            entry = await self._enter_shared(call_sid, document.number, holder, made_at_ms, instead_of)
        except (StoreUnavailable, TimeoutError):
            entry = await self._memory.enter(call_sid, document, holder, instead_of=instead_of)
            if entry.standing == "entered":
                self._begin_sharing(call_sid, document.number, holder)
            return entry
        if entry.standing == "entered":
            self._memory.record_session(call_sid, document.number, holder)
        return entry

    async def has_any(self, call_sid: str) -> bool:
        """See `RelayDocuments`. True while Redis is down: there may have been some."""
        if await self._memory.has_any(call_sid):
            return True
        try:
            with self._guard(), store_errors():
                async with asyncio.timeout(ANSWER_SECONDS):
                    return bool(await self._command("EXISTS", keys.relay_documents(call_sid)))
        except (StoreUnavailable, TimeoutError):
            return True

    def forget(self, call_sid: str) -> None:
        """See `RelayDocuments`."""
        self._memory.forget(call_sid)
        if (sharing := self._tasks.get(call_sid)) is not None:
            sharing.cancel()

    async def close(self) -> None:
        """Stop sharing sessions."""
        await cancel_and_wait(*self._tasks.values(), seconds=1)

    async def _enter_shared(
        self, call_sid: str, number: int, holder: str, made_at_ms: int | None, instead_of: str
    ) -> Entry:
        entering = scripts.enter_relay_document(
            call_sid=call_sid,
            number=number,
            holder=holder,
            made_at_ms=made_at_ms,
            ticket_ms=round(TICKET_SECONDS * 1000),
            instead_of=instead_of,
            life_ms=LIFE_SECONDS * 1000,
        )
        with self._guard(), store_errors():
            async with asyncio.timeout(ANSWER_SECONDS):
                standing, there, before = await self._scripts.run(entering)
                if await self._drop_erased(call_sid, keys.relay_documents(call_sid)):
                    return Entry("old")
        return Entry(_STANDINGS.get(standing, "stale"), there, before)

    def _begin_sharing(self, call_sid: str, number: int, holder: str) -> None:
        before = self._tasks.get(call_sid)
        if before is not None:
            before.cancel()
        task = asyncio.create_task(self._share(call_sid, number, holder), name=f"share the document of {call_sid}")
        self._tasks[call_sid] = task
        task.add_done_callback(lambda done: self._drop_task(call_sid, done))

    def _drop_task(self, call_sid: str, done: "asyncio.Task[None]") -> None:
        if self._tasks.get(call_sid) is done:
            del self._tasks[call_sid]

    async def _share(self, call_sid: str, number: int, holder: str) -> None:
        end = asyncio.get_running_loop().time() + LIFE_SECONDS
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(SHARE_RETRY_SECONDS)
            try:
                await self._enter_shared(call_sid, number, holder, None, "")
            except (StoreUnavailable, TimeoutError):
                continue
            return
