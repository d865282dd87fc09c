"""The hook of a route that is an HTTPS address: each call is a request, signed as Standard Webhooks describes."""

import json
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from orchestrator.clock import utc_now
from orchestrator.public_addresses import PrivateAddress, public_addresses
from orchestrator.routes.hook import DEADLINE_SECONDS, BadAnswer, IncomingCall
from orchestrator.settings.checks import is_http_url
from orchestrator.settings.event_settings import may_be_public

LONGEST_ANSWER = 16 * 1024
USER_AGENT = "VoiceAgent-Routes/1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def checked_url(url: str, *, allow_private: bool) -> str:
    """Return `url` if it may be a hook's. Raise ValueError."""
    if not is_http_url(url) or "#" in url or not (url.startswith("https://") or _is_this_machine(url)):
        raise ValueError("must be package.module:function or begin with https://")
    if not (allow_private or may_be_public(url) or _is_this_machine(url)):
        raise ValueError(
            "must name a host that everybody can reach. If it shall be inside your own network, set "
            "ROUTES_HOOK_ALLOW_PRIVATE=true"
        )
    return url


def _is_this_machine(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


class AskedUrl:
    """An HTTPS address, which is sent each call as JSON, signed with `secrets`.

    Redirects are not followed. With `allow_private` false, its host must have public addresses only, and the connection
    goes to one of those that were checked; the machine itself, under its own name, is the exception.
    """

    def __init__(self, url: str, secrets: tuple[str, ...], *, allow_private: bool = False) -> None:
        self._url = httpx.URL(url)
        self._signers = [Webhook(secret) for secret in secrets]
        self._is_checked = not allow_private and not _is_this_machine(url)
        # Not the proxies of the environment: behind a proxy nobody knows what address is connected to.
        self._client = httpx.AsyncClient(
            verify=httpx.create_ssl_context(), trust_env=False, follow_redirects=False, timeout=DEADLINE_SECONDS
        )

    async def ask(self, call: IncomingCall) -> Any:
        """See `Asked`. The id of the request is the same whenever it asks about the same call."""
        body = json.dumps({
            "call_sid": call.call_sid, "from": call.from_number, "to": call.to_number,
            "direction": call.direction, "provider": call.provider,
        })  # fmt: skip
        response = await self._client.send(await self._request(body, self._headers(call, body)), stream=True)
        try:
            content = await _read(response)
        finally:
            await response.aclose()
            self._client.cookies.clear()  # each request stands alone
        if response.status_code == 204:
            return None
        if response.status_code != 200:
            raise BadAnswer(f"it answered {response.status_code}")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise BadAnswer("its answer is not JSON") from None

    async def close(self) -> None:
        """See `Asked`."""
        await self._client.aclose()

    async def _request(self, body: str, headers: dict[str, str]) -> httpx.Request:
        url, extensions = self._url, {}
        if self._is_checked:
            try:
                addresses = await public_addresses(url.host, url.port or 443)
            except PrivateAddress as error:
                raise BadAnswer(f"{error} Set ROUTES_HOOK_ALLOW_PRIVATE=true if that is right") from None
            except (OSError, UnicodeError):
                raise BadAnswer("its host cannot be resolved") from None
            headers = {**headers, "host": url.netloc.decode("ascii")}
            extensions = {"sni_hostname": url.host}  # by which the certificate is checked, too
            url = url.copy_with(host=addresses[0])
        return self._client.build_request("POST", url, content=body, headers=headers, extensions=extensions)

    def _headers(self, call: IncomingCall, body: str) -> dict[str, str]:
        now, asked_of = utc_now(), f"call_{sha256(call.call_sid.encode()).hexdigest()[:32]}"
        return {
            "accept-encoding": "identity",  # what is unpacked may be a thousand times as long as what came
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": asked_of,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(asked_of, now, body) for signer in self._signers),
        }


async def _read(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise BadAnswer("its answer is compressed, which nobody asked for")
    content = b""
    async for part in response.aiter_raw():
        content += part
        if len(content) > LONGEST_ANSWER:
            raise BadAnswer(f"its answer is longer than {LONGEST_ANSWER} bytes")
    return content
