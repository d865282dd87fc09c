"""The client of a stream of server-sent events, which reads them one by one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE_SECONDS = 30


@dataclass
class EventStream:
    """The events that have come so far: name and data."""

    lines: AsyncIterator[str]
    events: list[tuple[str, Any]] = field(default_factory=list)
    _name: str = ""

    async def until(self, wanted: Callable[[str, Any], Any], what: str) -> Any:
        """Read until an event comes for which `wanted` is true. Return its data."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for name, data in self._read():
                    if wanted(name, data):
                        return data
        except TimeoutError:
            pass
        raise AssertionError(f"It did not come: {what}. There were {self.events[-20:]}")

    async def rest(self) -> None:
        """Read until the stream ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in self._read():
                pass

    async def _read(self) -> AsyncIterator[tuple[str, Any]]:
        async for line in self.lines:
            if line.startswith("event: "):
                self._name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                event = self._name, json.loads(line.removeprefix("data: "))
                self.events.append(event)
                yield event


@asynccontextmanager
async def event_stream(
    client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None
) -> AsyncIterator[EventStream]:
    """Open a stream; leaving the block disconnects."""
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield EventStream(response.aiter_lines())
