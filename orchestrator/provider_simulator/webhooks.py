"""The provider's HTTP side: addresses, signatures, retries, and what it accepts as an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit
from uuid import uuid4

import httpx
from twilio.request_validator import RequestValidator

from orchestrator.client.transport import NEVER_PROXIED
from orchestrator.provider_simulator.retries import Failure, RetryPolicy
from orchestrator.provider_simulator.twiml import Method

REQUEST_SECONDS = 15
"""The provider's hard limit for one webhook."""
CONTENT_TYPES = ("text/xml", "application/xml")
"""`text/plain` would be read aloud to the caller; no server intends that."""
KEEP_ALIVE_SECONDS = 2
"""Shorter than any server's, so that a server never closes a connection just as it is used again."""
OnRetry = Callable[[str], Awaitable[None]]


class WebhookFailed(Exception):
    """No document was received. The message says why; retries depend on `kind`."""

    def __init__(self, message: str, kind: Failure) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the server is reached (`base_url`) and what it calls itself (`public_url`, which is signed)."""

    base_url: str
    public_url: str

    @classmethod
    def of(cls, base_url: str, public_url: str | None) -> "Origin":
        """Return the origin of `base_url`; without a public address, that is also the public one."""
        base = base_url.rstrip("/")
        return cls(base, (public_url or base).rstrip("/"))

    def socket_at(self, url: str) -> str:
        """Return where to open the socket of the public `url` (`ws:` or `wss:`)."""
        return "ws" + self.reached_at("http" + url.removeprefix("ws")).removeprefix("http")

    def reached_at(self, url: str) -> str:
        """Return where to send a request to the public `url`."""
        inside = url == self.public_url or url.startswith((self.public_url + "/", self.public_url + "?"))
        return self.base_url + url[len(self.public_url) :] if inside else url


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of the provider. `url` is public and may carry a retry policy as its fragment."""

    url: str
    form: Mapping[str, str]
    method: Method = "POST"

    def at(self, reference: str | None, form: Mapping[str, str], method: Method) -> "Webhook":
        """Return the webhook that a document received by this one asks for."""
        return Webhook(urljoin(self.url, reference) if reference else self.url, form, method)

    @property
    def signed_url(self) -> str:
        """Return the URL as it is sent and signed: no fragment, and the fields of a GET in the query."""
        url = urldefrag(self.url).url
        if self.method == "POST":
            return url
        return url + ("&" if urlsplit(url).query else "?") + urlencode(self.form)


def new_client() -> httpx.AsyncClient:
    """Return an HTTP client that behaves like the provider's. Many lines may share one."""
    limits = httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_SECONDS)
    timeout = httpx.Timeout(REQUEST_SECONDS, pool=None)
    return httpx.AsyncClient(limits=limits, timeout=timeout, mounts=dict.fromkeys(NEVER_PROXIED))


class Webhooks:
    """Sends the webhooks of one line, signed if there is a token."""

    def __init__(self, client: httpx.AsyncClient, origin: Origin, auth_token: str | None) -> None:
        self._client = client
        self._origin = origin
        self._signer = RequestValidator(auth_token) if auth_token else None

    def url_of(self, path: str) -> str:
        """Return the public URL of `path` at the server."""
        return self._origin.public_url + path

    def move_to(self, base_url: str) -> None:
        """Reach the server at another address from now on; its public URL stays."""
        self._origin = Origin(base_url.rstrip("/"), self._origin.public_url)

    def upgrade(self, url: str) -> tuple[str, dict[str, str]]:
        """Return where to open the socket `url`, and its headers."""
        signed = {"X-Twilio-Signature": self._signer.compute_signature(url, {})} if self._signer is not None else {}
        return self._origin.socket_at(url), {"User-Agent": "VoiceAgentPhone/1", **signed}

    async def fetch(self, webhook: Webhook, retry: RetryPolicy, on_retry: OnRetry) -> bytes:
        """Return the document that answers `webhook`. Raise `WebhookFailed` when every attempt failed."""
        response = await self._persistently(webhook, retry, on_retry)
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in CONTENT_TYPES:
            raise WebhookFailed(
                f"{self._shown(webhook)} answered with {content_type or 'no content type'}; "
                f"the provider requires {CONTENT_TYPES[0]}.",
                "bad",
            )
        return response.content

    async def notify(self, webhook: Webhook, timeout_seconds: float, retry: RetryPolicy) -> None:
        """Send a status callback. Its answer does not matter unless it is an error. Each attempt may take so long."""
        await self._persistently(webhook, retry, _without_a_word, timeout_seconds)

    async def _persistently(
        self, webhook: Webhook, retry: RetryPolicy, on_retry: OnRetry, timeout_seconds: float = REQUEST_SECONDS
    ) -> httpx.Response:
        policy = RetryPolicy.of_fragment(urldefrag(webhook.url).fragment) or retry
        token = str(uuid4())
        clock = asyncio.get_running_loop().time
        begun, delays, tries = clock(), policy.delays(), 0
        while True:
            try:
                return await self._attempt(webhook, token, timeout_seconds)
            except WebhookFailed as failure:
                tries += 1
                delay = next(delays, None)
                too_late = tries > policy.retries and clock() - begun > policy.total_seconds
                if failure.kind not in policy.on or delay is None or too_late:
                    raise
                if delay:
                    await on_retry(str(failure))
            await asyncio.sleep(delay)

    async def _attempt(self, webhook: Webhook, token: str, timeout_seconds: float) -> httpx.Response:
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self._send(webhook, token)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise WebhookFailed(f"Nothing answers at {self._origin.base_url}.", "ct") from None
        except (httpx.TimeoutException, TimeoutError):
            raise WebhookFailed(f"{self._shown(webhook)} took longer than {timeout_seconds:g} s.", "rt") from None
        except httpx.InvalidURL as error:
            raise WebhookFailed(f"{webhook.url} is no address: {error}.", "bad") from None
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise WebhookFailed(f"{self._shown(webhook)} broke off: {reason}.", "rt") from None
        if not response.is_success:
            raise WebhookFailed(f"{self._shown(webhook)} answered {_status_line(response)}", _kind(response))
        return response

    async def _send(self, webhook: Webhook, token: str) -> httpx.Response:
        url = webhook.signed_url
        headers = {"User-Agent": "VoiceAgentPhone/1", "Accept": "*/*", "I-Twilio-Idempotency-Token": token}
        form = dict(webhook.form) if webhook.method == "POST" else None
        if self._signer is not None:
            headers["X-Twilio-Signature"] = self._signer.compute_signature(url, form or {})
        return await self._client.request(
            webhook.method, self._origin.reached_at(url), data=form, headers=headers, follow_redirects=False
        )

    def _shown(self, webhook: Webhook) -> str:
        return f"{webhook.method} {urlsplit(webhook.url)._replace(query='', fragment='').geturl()}"


async def _without_a_word(reason: str) -> None:
    """Nobody waits for a callback."""


def _kind(response: httpx.Response) -> Failure:
    if response.is_server_error:
        return "5xx"
    return "4xx" if response.is_client_error else "bad"


def _status_line(response: httpx.Response) -> str:
    """`403 Forbidden: …`, with the first line of the server's reason."""
    said = next(iter(response.text.strip().splitlines()), "") if len(response.content) < 2000 else ""
    plain = not said.startswith("<")
    return f"{response.status_code} {response.reason_phrase}" + (f": {said}" if said and plain else ".")
