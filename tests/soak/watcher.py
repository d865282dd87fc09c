"""Who looks at the cockpit during a whole run: what an operator has open, at every ingress."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import httpx
from soak.shown import BadAnswer, Json, LivePage, Polled, Story
from support.deployment import API_KEY

from orchestrator.client.errors import ApiRefused, ApiUnreachable, ClientError
from orchestrator.client.server_events import server_events
from orchestrator.client.transport import NEVER_PROXIED, Transport
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger("soak")

REOPEN_SECONDS = 1.0
"""As the streams ask their readers to wait (`retry`)."""
POLL_SECONDS = 2.5
HISTORY_EVERY = 4
"""One of so many polls asks for the history, which is long."""
FOLLOWED = 3
"""So many calls are looked at at a time."""
FINISHED_SECONDS = 6.0
"""A call is looked at for so long after its end."""
SILENT_SECONDS = 20.0
"""A stream that says nothing for so long is opened anew: the overview comes each five seconds."""
POLLED = ("/processes", "/incidents?limit=200", "/findings", "/overview", "/calls?limit=50")


class Watcher:
    """Looks while the block runs. `clock` is that of the world."""

    def __init__(self, ingresses: Sequence[str], *, clock: Callable[[], float] = time.time) -> None:
        self.began = clock()
        self.pages = [LivePage(ingress) for ingress in ingresses]
        self.stories: dict[str, Story] = {}
        self.polled = Polled()
        self.bad: list[BadAnswer] = []
        self.unanswered = 0
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=SILENT_SECONDS, mounts=dict.fromkeys(NEVER_PROXIED))
        self._servers = [Transport(ingress, API_KEY, http=self._http) for ingress in ingresses]
        self._stack = AsyncExitStack()
        self._following: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "Watcher":
        await self._stack.enter_async_context(self._http)
        self._stack.push_async_callback(self._follow_no_more)
        for place, page in enumerate(self.pages):
            self._own(self._look_at(page, self._servers[place]), f"look at {page.ingress}")
        self._own(self._poll(), "poll")
        self._own(self._choose(), "choose calls")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def look_on(self, until: float) -> None:
        """Look until then, by the clock of the world, and once more at everything at every ingress."""
        await asyncio.sleep(max(until - self._clock(), 0.0))
        for place in range(len(self._servers)):
            await self._ask_all(place, ("/history?hours=2", *POLLED))

    def _own(self, work: "asyncio.Future[None] | object", name: str) -> None:
        task = asyncio.create_task(work, name=name)  # type: ignore[arg-type]
        self._stack.push_async_callback(cancel_and_wait, task)

    async def _follow_no_more(self) -> None:
        for task in self._following.values():
            await cancel_and_wait(task)

    async def _look_at(self, page: LivePage, server: Transport) -> None:
        while True:
            async with self._noting(page.ingress, "/live"), aclosing(_events(server, "/live")) as events:
                async for name, data in events:
                    page.take(name, data, self._clock())
            page.close(self._clock())
            await asyncio.sleep(REOPEN_SECONDS)

    async def _poll(self) -> None:
        for number in itertools.count():
            await asyncio.sleep(POLL_SECONDS)
            history = () if number % HISTORY_EVERY else ("/history?hours=2",)
            await self._ask_all(number % len(self._servers), (*history, *POLLED))

    async def _ask_all(self, place: int, paths: Sequence[str]) -> None:
        server = self._servers[place]
        for path in paths:
            began = self._clock()
            async with self._noting(server.url, path):
                answer: Json = await server.json("GET", path, may_repeat=False)
                self.polled.take(path, answer, began, self._clock())

    async def _choose(self) -> None:
        """Look at calls that have begun lately, each at the ingress that shows it, until they are over."""
        for number in itertools.count():
            await asyncio.sleep(0.5)
            self._following = {sid: task for sid, task in self._following.items() if not task.done()}
            place = number % len(self.pages)
            new = [sid for sid, row in self.pages[place].rows.items() if sid not in self.stories and row["turns"] < 3]
            if new and len(self._following) < FOLLOWED:
                story = self.stories[new[-1]] = Story(new[-1])
                self._following[story.call_sid] = asyncio.create_task(self._follow(story, place), name="follow a call")

    async def _follow(self, story: Story, place: int) -> None:
        """Look at the call until some time after its end. A stream that ends is opened at the next ingress."""
        path = f"/calls/{story.call_sid}/live"
        for number in itertools.count(place):
            server = self._servers[number % len(self._servers)]
            async with self._noting(server.url, path), aclosing(_events(server, path)) as events:
                async for name, data in events:
                    story.take(name, data, self._clock())
                    if story.ended_at is not None:
                        await self._see_out(story, events)
                    if story.ended_at is not None or story.is_gone:
                        story.left_at = self._clock()
                        return
            await asyncio.sleep(REOPEN_SECONDS)

    async def _see_out(self, story: Story, events: AsyncIterator[tuple[str, Json]]) -> None:
        try:
            async with asyncio.timeout(FINISHED_SECONDS):
                async for name, data in events:
                    story.take(name, data, self._clock())
        except TimeoutError:
            pass

    @asynccontextmanager
    async def _noting(self, ingress: str, path: str) -> AsyncIterator[None]:
        """Note what goes wrong with a request within the block."""
        began = self._clock()
        try:
            yield
        except ApiRefused as refused:
            self.bad.append(BadAnswer(ingress, path, began, self._clock(), refused.status, refused.kind))
        except ApiUnreachable:
            self.unanswered += 1
        except (ClientError, ValueError, KeyError, TypeError) as error:
            self.bad.append(BadAnswer(ingress, path, began, self._clock(), 200, f"unreadable: {error!r}"))


async def _events(server: Transport, path: str) -> AsyncIterator[tuple[str, Json]]:
    async with server.opened("GET", path, headers={"Accept": "text/event-stream"}) as response:
        async for event in server_events(response.aiter_lines()):
            yield event.name, event.data
