"""Calls to a real server on loopback."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from support.twiml_server import Answer, TwimlServer, serve_twiml

Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve({"/twilio/voice": "<Say>Hello</Say>"})`: a server that answers so."""
    async with AsyncExitStack() as stack:

        async def start(documents: dict[str, Answer | list[Answer]]) -> TwimlServer:
            return await stack.enter_async_context(serve_twiml(documents))

        yield start
