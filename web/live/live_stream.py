"""`GET /live`: the overview and the calls as they change, to each reader at its own speed."""

import json
import time
from collections.abc import AsyncGenerator, Callable

from web.live.event_text import event_of, wait_for
from web.live.live_reader import TICK_SECONDS, LiveReader

LONGEST_SILENCE_SECONDS = 5.0
"""The overview is sent at least so often, so that a reader sees that the stream lives."""


async def live_events(reader: LiveReader, may_go_on: Callable[[], bool]) -> AsyncGenerator[str, None]:
    """Yield `overview` and `calls`. Who reads slowly gets fewer of them, and always the latest.

    End once the reader may not go on.
    """
    with reader.looking():
        sent_number, sent_at, revision = -1, 0.0, 0
        while may_go_on():
            news, overview = reader.news, await reader.overview()
            is_late = time.monotonic() - sent_at >= LONGEST_SILENCE_SECONDS
            if sent_number != reader.overview_number or is_late:
                sent_number, sent_at = reader.overview_number, time.monotonic()
                yield event_of("overview", json.dumps(overview, ensure_ascii=False))
            changes = reader.live_calls.changes_since(revision)
            if not changes.is_nothing:
                active, is_truncated = reader.live_calls.active, reader.live_calls.is_truncated
                for chunk in changes.chunks(active, is_truncated=is_truncated):
                    yield event_of("calls", chunk)
            revision = changes.revision
            await wait_for(news, 2 * TICK_SECONDS)
