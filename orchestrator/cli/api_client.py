"""Requests of commands to a server's API, with the key of the settings."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrator.errors import VoiceAgentError
from orchestrator.settings import Settings

TIMEOUT_SECONDS = 15.0
NO_KEY = 401


class ServerRefused(VoiceAgentError):
    """The server did not answer as it should. Check its address and API_KEY."""


class ApiClient:
    """Asks the server at `url`. Every method raises `ServerRefused`, with a sentence that says what to do."""

    def __init__(self, url: str, settings: Settings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self._key = settings.api_key.get_secret_value() if settings.api_key else None
        self._timeout_seconds = timeout_seconds

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a GET request."""
        with self._answered(path, parameters, {}) as response:
            response.read()
            return response

    def lines(self, path: str, parameters: Mapping[str, Any], media_type: str) -> Iterator[str]:
        """Yield the lines of an answer of that type, as they come."""
        with self._answered(path, parameters, {"Accept": media_type}) as response:
            yield from response.iter_lines()

    @contextmanager
    def _answered(self, path: str, parameters: Mapping[str, Any] | None, headers: dict[str, str]) -> Iterator[Any]:
        import httpx

        from orchestrator.provider_simulator.webhooks import NEVER_PROXIED

        if self._key:
            headers = {**headers, "Authorization": f"Bearer {self._key}"}
        address = f"{self.url}{path}"
        try:
            with (
                httpx.Client(timeout=self._timeout_seconds, mounts=dict.fromkeys(NEVER_PROXIED)) as client,
                client.stream("GET", address, params=parameters, headers=headers) as response,
            ):
                if not response.is_success:
                    response.read()
                    raise self._refusal(response.status_code, response.text, address)
                yield response
        except httpx.ConnectError:
            raise ServerRefused(f"Nothing answers at {self.url}. Start it with `make run`.") from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerRefused(f"GET {address} failed: {error or type(error).__name__}.") from None

    def _refusal(self, status: int, body: str, address: str) -> ServerRefused:
        if status == NO_KEY:
            return ServerRefused(f"{self.url} {why_not_let_in(self._key)}")
        return ServerRefused(_reason(status, body, address))


def why_not_let_in(key: str | None) -> str:
    """Return what is wrong with the key that a server's API answered with 401."""
    if not key:
        return "requires a key, and none is set here. Set API_KEY to the server's (`voiceagent dev` shows its own)."
    return "has another key than the API_KEY that is set here. Set it to the server's."


def _reason(status: int, body: str, address: str) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"GET {address} answered {status}. Is that a VoiceAgent server?"
