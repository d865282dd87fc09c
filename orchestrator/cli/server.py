"""Commands ask a server's API, with the key of the settings."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from orchestrator.client import ApiRefused, ApiUnreachable, Client
from orchestrator.settings import Settings

T = TypeVar("T")

TIMEOUT_SECONDS = 15.0
NO_KEY = 401


def asked(
    url: str, settings: Settings, ask: Callable[[Client], Awaitable[T]], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> T:
    """Return what `ask` gets of the server at `url`. Raise `ClientError`, with a sentence that says what to do."""

    async def run() -> T:
        async with Client(url, key_of(settings), timeout_seconds=timeout_seconds) as client:
            return await ask(client)

    with explained(url, settings):
        return asyncio.run(run())


@contextmanager
def explained(url: str, settings: Settings) -> Iterator[None]:
    """Let the errors of a client say what to do: start the server, or set its key."""
    try:
        yield
    except ApiUnreachable as error:
        if not error.is_down:
            raise
        raise ApiUnreachable(f"{error} Start it with `make run`.", is_down=True) from None
    except ApiRefused as error:
        if error.status != NO_KEY:
            raise
        sentence = f"{url} {why_not_let_in(key_of(settings))}"
        raise ApiRefused(sentence, status=error.status, kind=error.kind) from None


def key_of(settings: Settings) -> str | None:
    """Return the key that is set here."""
    return settings.api_key.get_secret_value() if settings.api_key else None


def why_not_let_in(key: str | None) -> str:
    """Return what is wrong with the key that a server's API answered with 401."""
    if not key:
        return "requires a key, and none is set here. Set API_KEY to the server's (`voiceagent dev` shows its own)."
    return "has another key than the API_KEY that is set here. Set it to the server's."
