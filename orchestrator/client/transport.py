"""One request to the API: the key, the deadline, retries of what is safe to repeat, and errors in words."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from orchestrator.client.errors import ApiRefused, ApiUnreachable, refusal

NEVER_PROXIED = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""Addresses of this machine are never reached through a proxy."""
ANSWER_SECONDS = 35.0
"""For an answer: an agent may take twenty seconds."""
RETRIES = 2
RETRY_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
_PASSING = (429, 502, 503)


class Transport:
    """Sends requests to the server at `url` with `key`. `http` is used instead of a client of its own."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        timeout_seconds: float = ANSWER_SECONDS,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = http or httpx.AsyncClient(timeout=timeout_seconds, mounts=dict.fromkeys(NEVER_PROXIED))
        self._is_own = http is None

    async def close(self) -> None:
        """Close the connections."""
        if self._is_own:
            await self._http.aclose()

    async def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool = True,
        expects: int | None = None,
    ) -> Any:
        """Return what a request is answered with; None for an answer without content. The status that one `expects` is
        none of a refusal.

        A request that `may_repeat` is sent again over what passes: a lost connection, 429, 502, 503.
        """
        pause = RETRY_SECONDS
        for attempt in range(RETRIES + 1):
            try:
                async with self.opened(
                    method, path, query=query, body=body, headers=headers, expects=expects
                ) as response:
                    content = await response.aread()
                    return response.json() if content else None
            except (ApiUnreachable, ApiRefused) as error:
                if attempt == RETRIES or not may_repeat or not _passes(error):
                    raise
                asked = error.retry_seconds if isinstance(error, ApiRefused) else None
                await asyncio.sleep(min(asked if asked is not None else pause, LONGEST_PAUSE_SECONDS))
                pause *= 2
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        expects: int | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Yield the answer to a request, whose content is still to be read. Raise `ApiRefused` or `ApiUnreachable`."""
        address = f"{self.url}{path}"
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        try:
            async with self._http.stream(
                method, address, params=given, json=body, headers={**self._headers, **(headers or {})}
            ) as response:
                if not response.is_success and response.status_code != expects:
                    text = (await response.aread()).decode(errors="replace")
                    raise refusal(
                        response.status_code, text, f"{method} {address}", response.headers.get("Retry-After")
                    )
                yield response
        except httpx.ConnectError:
            raise ApiUnreachable(f"Nothing answers at {self.url}.", is_down=True) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ApiUnreachable(f"{method} {address} failed: {error or type(error).__name__}.") from None


def _passes(error: ApiUnreachable | ApiRefused) -> bool:
    return isinstance(error, ApiUnreachable) or error.status in _PASSING
