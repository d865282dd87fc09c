"""POSTs to a bare Starlette server at `BARE_URL` (`benchmarks.contenders.bare_post`)."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from benchmarks.contenders.http_client import Connections
from benchmarks.contenders.turns import SAID
from benchmarks.contenders.webhook_forms import WebhookForms
from benchmarks.driver import Line


@asynccontextmanager
async def lines() -> AsyncIterator[Mapping[str, Line]]:
    """`json`: what the API takes; `form`: what a webhook brings."""
    url = os.environ["BARE_URL"]
    server = Connections(url)
    text = server.request("/json", json.dumps({"turn_id": "t1", "text": SAID}).encode(), "application/json")
    form = WebhookForms(server, url).unsent("/form")

    async def send_json(slot: int) -> None:
        await server.send(text)

    async def send_form(slot: int) -> None:
        await server.send(form)

    try:
        yield {"json": send_json, "form": send_form}
    finally:
        server.close()
