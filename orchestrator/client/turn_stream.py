"""Reads the server-sent events of a turn that is answered token by token."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from orchestrator.client.errors import ApiRefused
from orchestrator.client.server_events import server_events


@dataclass(frozen=True, slots=True)
class StreamedPart:
    """A `token` of the reply; or, last, the whole `answer`."""

    token: str = ""
    answer: dict[str, Any] | None = None


async def streamed_parts(lines: AsyncIterator[str]) -> AsyncIterator[StreamedPart]:
    """Yield the parts of a stream as they come. Raise `ApiRefused` if the stream ends in an error, or too early."""
    async for event in server_events(lines):
        if event.name == "error":
            raise ApiRefused(str(event.data["error"]), status=200)
        if event.name == "reply":
            yield StreamedPart(answer=event.data)
            return
        yield StreamedPart(token=event.data)
    raise ApiRefused("The stream of the reply broke off. Ask again with the same turn_id.", status=200)
