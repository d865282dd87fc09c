"""Reads a stream of server-sent events."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from orchestrator.client.errors import ApiRefused


class ServerEvent(NamedTuple):
    """One event of a stream of the API: its name, and its data, which were JSON."""

    name: str
    data: Any


async def server_events(lines: AsyncIterator[str]) -> AsyncIterator[ServerEvent]:
    """Yield the events as they come, until the stream ends. Raise `ApiRefused` for what is no JSON."""
    name = ""
    async for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            try:
                yield ServerEvent(name, json.loads(value))
            except ValueError:
                raise ApiRefused("The server sent an event that is no JSON.", status=200) from None
