"""Reads the server-sent events of a turn that is answered token by token."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from orchestrator.client.errors import ApiRefused


@dataclass(frozen=True, slots=True)
class StreamedPart:
    """A `token` of the reply; or, last, the whole `answer`."""

    token: str = ""
    answer: dict[str, Any] | None = None


async def streamed_parts(lines: AsyncIterator[str]) -> AsyncIterator[StreamedPart]:
    """Yield the parts of a stream as they come. Raise `ApiRefused` if the stream ends in an error, or too early."""
    event = ""
    async for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            content = json.loads(value)
            if event == "error":
                raise ApiRefused(str(content["error"]), status=200)
            yield StreamedPart(answer=content) if event == "reply" else StreamedPart(token=content)
            if event == "reply":
                return
    raise ApiRefused("The stream of the reply broke off. Ask again with the same turn_id.", status=200)
