"""Records as lines of JSON, sent while they are read: an export may be larger than the memory."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from orchestrator.errors import VoiceAgentError
from orchestrator.masking import masked
from orchestrator.records.record_query import RecordQuery
from web.api.client_presence import while_connected
from web.api.masked_response import MaskableResponse
from web.problems import as_problem

if TYPE_CHECKING:  # its import wants the extra `postgres`
    from orchestrator.records.archive import Archive

logger = logging.getLogger(__name__)

JSON_LINES = ("application/jsonl", "application/x-ndjson")
SLOW_READER_SECONDS = 30.0
"""For a client that does not read, until the export ends: it holds a connection of the database."""
EXPORT_SECONDS = 3600.0


class RecordStream(MaskableResponse):
    """The answer to an export. If it cannot be finished, the connection is closed, so that the client notices."""

    def __init__(self, archive: "Archive", query: RecordQuery, media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._archive = archive
        self._query = query

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read and send the records. Raise HTTPException if not even the first can be read."""
        with contextlib.suppress(ClientDisconnect):
            await while_connected(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        async with contextlib.aclosing(self._archive.export(self._query)) as parts, asyncio.timeout(EXPORT_SECONDS):
            part = await _first(parts)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            try:
                while part is not None:
                    async with asyncio.timeout(SLOW_READER_SECONDS):
                        text = "".join(part)
                        await send(_body(masked(text) if self.is_masked else text, more=True))
                    part = await anext(parts, None)
            except (VoiceAgentError, TimeoutError) as error:
                why = str(error) or "the client does not read"
                logger.warning("An export was broken off: %s", why, extra={"action": "records.export_failed"})
                raise ClientDisconnect from None
            await send(_body("", more=False))


async def _first(parts: AsyncGenerator[list[str], None]) -> list[str] | None:
    try:
        return await anext(parts, None)
    except VoiceAgentError as error:
        raise as_problem(error) from None


def _body(text: str, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": text.encode(errors="replace"), "more_body": more}
