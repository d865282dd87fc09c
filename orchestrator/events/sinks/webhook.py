"""A webhook as a sink: signed POST requests, as the Standard Webhooks specification describes them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx
from standardwebhooks import Webhook

from orchestrator.clock import utc_now
from orchestrator.events.event import Event
from orchestrator.events.sinks.public_addresses import public_addresses
from orchestrator.events.sinks.sink import EventRefused, SinkGone, TryLater, json_of

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""For the answer to begin, as the specification recommends 15 to 30 s."""
LONGEST_BODY = 16 * 1024
"""Bytes of an answer that are read, so that its connection can be used again. No longer one is of interest."""
TRY_AGAIN = frozenset({408, 425, 429})
"""Client errors that say nothing about the event itself."""
BODY_SECONDS = 2.0
"""For such a body to end. One that has not ended then costs its connection, which is closed."""
MOST_CONNECTIONS = 20
LONGEST_RETRY_AFTER = 8 * 3600.0
USER_AGENT = "VoiceAgent-Events/1"


class WebhookSink:
    """POSTs each event to a URL, signed with each of `secrets`: two of them while one replaces the other.

    The signature's timestamp is that of the attempt. Redirects are not followed. With `allow_private` false, the URL's
    host must have public addresses only, and the connection goes to one of those that were checked.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        *,
        allow_private: bool = False,
        answer_seconds: float = ANSWER_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._url = httpx.URL(url)
        self._signers = [Webhook(secret) for secret in secrets]
        self._allow_private = allow_private
        self._body_seconds = body_seconds
        # Not the proxies of the environment: behind a proxy nobody knows what address is connected to.
        transport = httpx.AsyncHTTPTransport(
            verify=httpx.create_ssl_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS),
        )
        timeout = httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)

    async def deliver(self, event: Event) -> None:
        """POST the event. Raise `EventRefused`, `SinkGone` or `TryLater` by the answer's status."""
        body = json_of(event)
        request = await self._request(body, self._headers(event.id, body))
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise TryLater(f"The webhook does not answer: {type(error).__name__}.") from None
        try:
            await _read_some(response, self._body_seconds)
        finally:
            await response.aclose()
            self._client.cookies.clear()  # each request stands alone
        _check(response)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _headers(self, event_id: str, body: str) -> dict[str, str]:
        now = utc_now()
        signatures = (signer.sign(event_id, now, body) for signer in self._signers)
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    async def _request(self, body: str, headers: dict[str, str]) -> httpx.Request:
        url, extensions = self._url, {}
        if not self._allow_private:
            try:
                addresses = await public_addresses(url.host, url.port or {"https": 443}.get(url.scheme, 80))
            except OSError as error:
                raise TryLater(
                    f"The webhook's host cannot be resolved: {error.strerror or type(error).__name__}."
                ) from None
            except UnicodeError:
                raise EventRefused("The webhook's host is no name that can be resolved. Correct its URL.") from None
            headers = {**headers, "host": url.netloc.decode("ascii")}
            extensions = {"sni_hostname": url.host}  # by which the certificate is checked, too
            url = url.copy_with(host=addresses[0])
        return self._client.build_request("POST", url, content=body, headers=headers, extensions=extensions)


async def _read_some(response: httpx.Response, seconds: float) -> None:
    """Read the body, if it is short and soon over: the status has come, which is all that counts."""
    size = 0
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(seconds):
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > LONGEST_BODY:
                    return


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    sentence = f"The webhook answered with HTTP status {status}."
    if status == 410:
        raise SinkGone(sentence)
    if 400 <= status < 500 and status not in TRY_AGAIN:
        raise EventRefused(sentence)
    raise TryLater(sentence, _retry_after(response.headers.get("retry-after", "")))


def _retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), or None."""
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a year that no clock has
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - utc_now()).total_seconds(), 0.0), LONGEST_RETRY_AFTER)
