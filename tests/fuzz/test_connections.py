"""Bytes that are no HTTP, and no WebSocket: the connection is answered or closed, and no error is logged."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz.corpus import inputs_of
from fuzz.http_request import API_KEY, HttpRequest, answer_to
from fuzz.mutation import Mutator
from fuzz.served import error_log, fuzzed_ingress, wait_until_quiet
from support.ingress import TOKEN
from twilio.request_validator import RequestValidator

INPUTS = 400
SEED = 20261127
LONGEST = 100_000
FRAMES = b"\x81\x84\0\0\0\0null" + b"\x89\x80\0\0\0\0" + b"\x82\x82\0\0\0\0{}" + b"\x88\x82\0\0\0\0\x03\xe8"
"""Of a WebSocket's client: a text, a ping, bytes, and the end."""

pytestmark = pytest.mark.slow


def upgrade(url: str) -> bytes:
    """Return a signed upgrade to the relay, and frames."""
    signature = RequestValidator(TOKEN).compute_signature(url.replace("http", "ws", 1) + "/twilio/relay", {})
    lines = [
        "GET /twilio/relay HTTP/1.1", f"Host: {url.removeprefix('http://')}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        f"X-Twilio-Signature: {signature}", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + FRAMES


async def throw(url: str, data: bytes) -> None:
    """Send these bytes, and read what comes until the server closes the connection, or there is nothing more."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(60):
            while await reader.read(65536):
                pass
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_whatever_bytes_come_the_connection_ends_and_others_are_answered(tmp_path: Path) -> None:
    async with fuzzed_ingress(tmp_path) as ingress:
        tasks = len(asyncio.all_tasks())
        examples = [HttpRequest.parse(data).bytes_for(ingress.url) for data in inputs_of("requests")]
        chunked = b"POST /calls/a/turns HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}  \r\n0\r\n\r\n"
        mutator = Mutator(f"{SEED} connections", [*examples, *[upgrade(ingress.url), chunked] * 20])
        with error_log() as log:
            for _ in range(INPUTS):
                data = mutator.next()[:LONGEST]
                await throw(ingress.url, data)
                assert not log.lines, (log.lines, data[:1000])
        await wait_until_quiet(tasks)
        request = HttpRequest(b"GET", b"/calls", (b"Authorization: Bearer " + API_KEY.encode(),), b"")
        assert (await answer_to(ingress.url, request.bytes_for(ingress.url))).status == 200
