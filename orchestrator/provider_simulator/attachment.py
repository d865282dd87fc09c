"""Attaches a call of this program to the simulated provider of a development server, if there is one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

import httpx

from orchestrator.provider_simulator.exchange import CALLS_PATH
from orchestrator.provider_simulator.line import PhoneLine
from orchestrator.provider_simulator.rest_api.calls import CallUpdate
from orchestrator.provider_simulator.rest_api.messages import SentMessage
from orchestrator.tasks import cancel_and_wait

ATTACH_SECONDS = 2.0
"""For the exchange to answer, until the call is made without it."""


@asynccontextmanager
async def attached(line: PhoneLine, url: str, on_message: Callable[[SentMessage], None]) -> AsyncIterator[bool]:
    """Let the exchange at `url` change the call of `line` while the context lasts, and tell of text messages.

    Yield whether there is one.
    """
    is_attached = asyncio.Event()
    listening = asyncio.create_task(_listen(line, url, on_message, is_attached), name=f"exchange of {line.call_sid}")
    attaching = asyncio.create_task(is_attached.wait(), name=f"attachment of {line.call_sid}")
    try:
        await asyncio.wait({listening, attaching}, timeout=ATTACH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        yield is_attached.is_set()
    finally:
        await cancel_and_wait(listening, attaching)


async def _listen(
    line: PhoneLine, url: str, on_message: Callable[[SentMessage], None], is_attached: asyncio.Event
) -> None:
    """Do what the exchange says, until it ends. One that is not there, or is another program, is left alone."""
    timeout = httpx.Timeout(ATTACH_SECONDS, read=None)
    with suppress(httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError):
        async with (
            httpx.AsyncClient(trust_env=False, timeout=timeout) as client,
            client.stream("POST", url + CALLS_PATH, json=asdict(line.identity)) as response,
        ):
            if not response.is_success:
                return
            async for text in response.aiter_lines():
                _carry_out(json.loads(text), line, on_message, is_attached)


def _carry_out(
    told: dict[str, Any], line: PhoneLine, on_message: Callable[[SentMessage], None], is_attached: asyncio.Event
) -> None:
    if told.get("attached") == line.call_sid:
        is_attached.set()
    if "update" in told:
        line.update(CallUpdate(**told["update"]))
    if "message" in told:
        on_message(SentMessage(**told["message"]))
