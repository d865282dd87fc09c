"""`GET /calls/{call_sid}/live`: one call as it goes on, to each reader at its own speed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from orchestrator.errors import StoreUnavailable, UnknownCall
from orchestrator.tasks import cancel_and_wait
from web.ingress import Ingress
from web.live.call_watch import CallWatch
from web.live.event_text import HEARTBEAT, event_of, wait_for
from web.live.live_reader import LiveReader

CHECK_SECONDS = 1.0
"""Between looks at whether the reader may go on."""


class CallWatches:
    """The calls that somebody looks at, each followed once. Use it as a context manager: it owns their tasks."""

    def __init__(self, ingress: Ingress, reader: LiveReader) -> None:
        self._ingress = ingress
        self._reader = reader
        self._stack = contextlib.AsyncExitStack()
        self._watches: dict[str, tuple[CallWatch, contextlib.AsyncExitStack]] = {}
        self._lookers: dict[str, int] = {}
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> "CallWatches":
        return self

    async def __aexit__(self, *error: object) -> None:
        for call_sid in list(self._watches):
            await self._end(call_sid)

    @contextlib.asynccontextmanager
    async def watching(self, call_sid: str) -> AsyncIterator[CallWatch]:
        """Follow a call within the block. Raise `UnknownCall` if there is none, and `StoreUnavailable`."""
        async with self._opening:
            found = self._watches.get(call_sid)
            watch = found[0] if found is not None and not found[0].is_gone else await self._begin(call_sid)
            self._lookers[call_sid] = self._lookers.get(call_sid, 0) + 1
        try:
            yield watch
        finally:
            self._lookers[call_sid] -= 1
            if not self._lookers[call_sid]:
                del self._lookers[call_sid]
                await self._end(call_sid)

    async def _begin(self, call_sid: str) -> CallWatch:
        await self._end(call_sid)
        watch = CallWatch(self._ingress, self._reader, call_sid)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._ingress.runtime.dispatcher.listeners.watch(call_sid, watch))
            await watch.read()
            if watch.is_gone:
                raise UnknownCall
            task = asyncio.create_task(watch.run(), name="follow a call")
            stack.push_async_callback(cancel_and_wait, task)
            self._watches[call_sid] = (watch, stack.pop_all())
        return watch

    async def _end(self, call_sid: str) -> None:
        found = self._watches.pop(call_sid, None)
        if found is not None:
            await found[1].aclose()


async def call_events(
    watches: CallWatches, call_sid: str, may_go_on: Callable[[], bool], heartbeat_seconds: float
) -> AsyncGenerator[str, None]:
    """Yield `state`, `running` and `said` as they change, and at last `gone`. End if the store does not answer."""
    with contextlib.suppress(StoreUnavailable):
        try:
            async with watches.watching(call_sid) as watch:
                async for text in _events_of(watch, may_go_on, heartbeat_seconds):
                    yield text
        except UnknownCall:
            yield event_of("gone", {"call_sid": call_sid})


async def _events_of(
    watch: CallWatch, may_go_on: Callable[[], bool], heartbeat_seconds: float
) -> AsyncGenerator[str, None]:
    state_number, turn_id, said, sent_at = 0, "", "", time.monotonic()
    while may_go_on():
        changed = watch.changed
        if watch.is_gone:
            raise UnknownCall
        texts = []
        if watch.state_number != state_number:
            state_number = watch.state_number
            texts.append(event_of("state", watch.state_text))
        running, now_said = watch.running, watch.said.text
        if running is None:
            turn_id, said = "", ""
        elif running["turn_id"] != turn_id:
            turn_id, said = running["turn_id"], now_said
            texts.append(event_of("running", {**running, "said": said}))
        elif now_said != said:
            start = _same_start(said, now_said)
            said = now_said
            texts.append(event_of("said", {"turn_id": turn_id, "start": start, "text": said[start:]}))
        if not texts and time.monotonic() - sent_at >= heartbeat_seconds:
            texts.append(HEARTBEAT)
        for text in texts:
            sent_at = time.monotonic()
            yield text
        if not texts:
            await wait_for(changed, CHECK_SECONDS)


def _same_start(one: str, other: str) -> int:
    """Return how many characters both begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
