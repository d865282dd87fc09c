"""A body that is here and an answer that is made go a short way. The client sees no difference from ASGI's own."""

import asyncio
from urllib.parse import urlsplit

import pytest
from support.ingress import TOKEN
from twilio.request_validator import RequestValidator

FORM = {"CallSid": "CA1", "SpeechResult": "good day & well", "CallStatus": "in-progress"}
BODY = b"CallSid=CA1&SpeechResult=good+day+%26+well&CallStatus=in-progress"


class Client:
    """One connection to an ingress, over which bytes are sent as they are."""

    def __init__(self, ingress) -> None:
        self._parts = urlsplit(ingress.url)
        self._ingress = ingress

    async def __aenter__(self) -> "Client":
        self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.transport.abort()

    def head(self, path: str, method: str = "POST", length: int = len(BODY), **headers: str) -> bytes:
        """Return the head of a signed webhook."""
        signature = RequestValidator(TOKEN).compute_signature(self._ingress.url + path, FORM)
        lines = {
            "Host": self._parts.netloc, "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(length), "X-Twilio-Signature": signature, **headers,
        }  # fmt: skip
        named = "".join([f"{name}: {value}\r\n" for name, value in lines.items()])
        return f"{method} {path} HTTP/1.1\r\n{named}\r\n".encode()

    def send(self, sent: bytes) -> None:
        self._writer.write(sent)

    async def answer(self, has_body: bool = True) -> tuple[list[bytes], bytes]:
        """Return the lines of the next answer's head, but for its date, and its body."""
        head = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        lengths = [int(line[16:]) for line in head if line.startswith(b"content-length: ")]
        body = await self._reader.readexactly(sum(lengths)) if has_body else b""
        return [line for line in head if not line.startswith(b"date: ")], body

    async def continues(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def is_closed(self) -> bool:
        return not await self._reader.read()


async def begun(ingress) -> None:
    assert (await ingress.client.post("/calls/CA1/turns", json={"text": "hello"})).status_code == 200


async def test_an_answer_at_once_is_that_of_a_request_that_asgi_receives_and_answers(ingress):
    await begun(ingress)
    async with Client(ingress) as whole, Client(ingress) as closing, Client(ingress) as asking:
        whole.send(whole.head("/twilio/turn/1") + BODY)
        lines, body = await whole.answer()
        assert b"You said good day &amp; well." in body
        assert lines == [
            b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), b"content-type: text/xml; charset=utf-8",
            b"cache-control: no-store", b"x-content-type-options: nosniff",
        ]  # fmt: skip
        closing.send(closing.head("/twilio/turn/1", Connection="close") + BODY)
        assert await closing.answer() == ([*lines, b"connection: close"], body)
        assert await closing.is_closed()
        asking.send(asking.head("/twilio/turn/1", Expect="100-continue"))
        assert await asking.continues() == b"HTTP/1.1 100 Continue\r\n\r\n"
        asking.send(BODY)
        assert await asking.answer() == (lines, body)


async def test_a_connection_answers_one_request_after_the_other_also_in_pieces_and_ahead(ingress):
    await begun(ingress)
    async with Client(ingress) as client:
        client.send(client.head("/twilio/turn/1") + BODY[:20])
        await asyncio.gather(ingress.client.get("/livez"))  # meanwhile the first piece is read
        client.send(BODY[20:])
        first = await client.answer()
        client.send(client.head("/twilio/turn/1") + BODY + client.head("/twilio/turn/1") + BODY)
        assert [await client.answer(), await client.answer()] == [first, first]
        client.send(client.head("/metrics", method="HEAD", length=0))
        assert (await client.answer(has_body=False))[0][0] == b"HTTP/1.1 200 OK"
        client.send(client.head("/twilio/turn/1") + BODY)
        assert await client.answer() == first


@pytest.mark.parametrize("length", [65_536, 65_537, 70_000])
async def test_a_body_is_bounded_also_if_it_is_here(ingress, length):
    async with Client(ingress) as client:
        client.send(client.head("/twilio/turn/1", length=length) + b"x" * length)
        lines, body = await client.answer()
        is_too_large = lines[0] == b"HTTP/1.1 413 Content Too Large" or b"larger than" in body
        assert is_too_large == (length > 65_536)
