"""A request as the corpus keeps it, and how it is signed, mutated and sent.

The first line is the method and the target, headers follow, and the body comes after an empty line. `sign: PROVIDER`
and `key: yes` stand for what is different each time: a provider's signature, and the key of the API.
"""

import asyncio
import base64
import hashlib
import hmac
import random
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fuzz.mutation import TOKENS, Mutator
from starlette.exceptions import HTTPException
from support.ingress import TOKEN
from twilio.request_validator import RequestValidator

from web.form import form_of

API_KEY = "the key of these tests"
SIGNALWIRE_KEY = "PSK_signing_key"
TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TELNYX_PUBLIC = base64.b64encode(TELNYX_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
SETTINGS = {"api_key": API_KEY, "telnyx_public_key": TELNYX_PUBLIC, "signalwire_signing_key": SIGNALWIRE_KEY}
"""Of an ingress that takes these requests."""
DEADLINE_SECONDS = 60.0
LONGEST_ANSWER = 4_000_000
LONGEST_TARGET = 15_000
ENDLESS = (b"retry: ", b"\ndata: ")
"""In an answer without an end that has told something."""


@dataclass(frozen=True)
class HttpRequest:
    """`target` is path and query; `headers` are lines without their ends."""

    method: bytes
    target: bytes
    headers: tuple[bytes, ...]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> "HttpRequest":
        head, _, body = data.partition(b"\n\n")
        first, *headers = head.split(b"\n")
        method, _, target = first.partition(b" ")
        return cls(method, target, tuple(headers), body)

    def pack(self) -> bytes:
        return b"\n".join((self.method + b" " + self.target, *self.headers)) + b"\n\n" + self.body

    def bytes_for(self, url: str) -> bytes:
        """Return what is sent to the server at that URL."""
        target = self.target.replace(b" ", b"%20").replace(b"\r", b"%0d").replace(b"\n", b"%0a")[:LONGEST_TARGET]
        lines = [self.method + b" " + target + b" HTTP/1.1", b"Host: " + url.removeprefix("http://").encode()]
        for line in self.headers:
            name, _, value = line.partition(b": ")
            if name == b"sign":
                lines += _signature(value, url, target, self.body)
            elif name == b"key":
                lines.append(b"Authorization: Bearer " + API_KEY.encode())
            else:
                lines.append(line)
        lines += [b"Content-Length: %d" % len(self.body), b"Connection: close", b"", b""]
        return b"\r\n".join(lines) + self.body


def _signature(provider: bytes, url: str, target: bytes, body: bytes) -> list[bytes]:
    signed = url.encode() + target
    if provider == b"telnyx":
        at = b"%d" % time.time()
        return [b"telnyx-timestamp: " + at,
                b"telnyx-signature-ed25519: " + base64.b64encode(TELNYX_KEY.sign(at + b"|" + body))]  # fmt: skip
    if provider == b"signalwire":
        digest = hmac.new(SIGNALWIRE_KEY.encode(), signed.decode("latin-1").encode() + body, hashlib.sha256).hexdigest()
        return [b"x-signalwire-sha256-signature: " + digest.encode()]
    try:
        form = form_of(body)
    except HTTPException:
        return []  # it is refused before its signature counts
    signature = RequestValidator(TOKEN).compute_signature(signed.decode("latin-1"), form)
    return [b"X-Twilio-Signature: " + signature.encode()]


class RequestMutator:
    """Makes wrong requests out of right ones: most often one part of them is wrong."""

    def __init__(self, seed: object, examples: list[bytes]) -> None:
        self._random = random.Random(f"{seed}")
        self._requests = [HttpRequest.parse(example) for example in examples]
        self._bodies = Mutator(f"{seed} bodies", [request.body for request in self._requests if request.body])
        self._seed = seed
        self._count = 0

    def next(self) -> HttpRequest:
        """Return the next request."""
        request = self._random.choice(self._requests)
        part = self._random.random()
        if part < 0.6:
            return replace(request, body=self._mutated(request.body))
        if part < 0.85:
            path, _, query = request.target.partition(b"?")
            return replace(request, target=path + b"?" + self._mutated(query or b"limit=5&cursor=a"))
        if part < 0.95:
            return replace(request, target=b"/" + self._mutated(request.target)[1:])
        return replace(request, headers=(*request.headers, self._header()))

    def _mutated(self, data: bytes) -> bytes:
        self._count += 1
        return Mutator(f"{self._seed} {self._count}", [data]).next()

    def _header(self) -> bytes:
        name = self._random.choice((
            b"Accept", b"Content-Type", b"Authorization", b"Idempotency-Key", b"traceparent", b"X-Forwarded-For",
            b"Forwarded", b"X-Forwarded-Host", b"Content-Encoding", b"Range", b"If-None-Match", b"Cookie", b"Upgrade",
            b"Accept-Language", b"Expect", b"Origin", b"X-Twilio-Signature",
        ))  # fmt: skip
        value = self._random.choice((b"text/event-stream", b"*/*", b"application/json", *TOKENS))
        return name + b": " + value.replace(b"\r", b"").replace(b"\n", b"")[:5000]


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is 0 if nothing did, as to a request that is none."""

    status: int
    head: str
    body: bytes


async def answer_to(url: str, sent: bytes) -> Answer:
    """Send a request, and return the answer once the server has closed the connection. Raise TimeoutError.

    Of a stream without an end it is what has come with the first event.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            with suppress(ConnectionError):
                writer.write(sent)
                await writer.drain()
            received = b""
            with suppress(ConnectionError):
                while len(received) <= LONGEST_ANSWER and (part := await reader.read(65536)):
                    received += part
                    if all(sign in received for sign in ENDLESS):
                        break
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    status = head.split(b" ")[1] if head.startswith(b"HTTP/1.1 ") else b"0"
    return Answer(int(status), head.decode("latin-1"), body)
