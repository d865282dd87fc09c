"""The provider's REST API: placing calls and hanging up, off the event loop, in a few threads."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.errors import BadCallSid, VoiceAgentError
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from twilio.rest import Client

logger = logging.getLogger(__name__)
T = TypeVar("T")

THREADS = 4
MOST_WAITING = 32
REQUEST_SECONDS = 10.0
DEADLINE_SECONDS = 25.0
"""For one request and those before it."""
CONNECT_SECONDS = 5.0
QUEUED = "queued"
NO_SENSE = "The provider's answer makes no sense."


class ProviderError(VoiceAgentError):
    """The provider did not place the call. `status` is the HTTP status that the client gets.

    `is_unknown`: the call may have been placed all the same.
    """

    def __init__(self, message: str, status: int, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_unknown = is_unknown


@dataclass(frozen=True)
class Placed:
    """A call that the provider has taken on."""

    call_sid: str
    status: str


class ProviderLine:
    """The way to the provider. A context manager; leaving it waits for nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="provider")

    def __enter__(self) -> "ProviderLine":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def is_open(self) -> bool:
        """Whether there are credentials."""
        return bool(self._settings.twilio_account_sid and self._settings.twilio_auth_token)

    async def place(self, **call: Any) -> Placed:
        """Place a call; `call` is as the `twilio` library takes it. Raises `ProviderError`."""

        def create() -> Placed:
            made = self._client.calls.create(**call)
            return Placed(_sid_of(made.sid), made.status if isinstance(made.status, str) else QUEUED)

        return await self._ask(create)

    async def hang_up(self, call_sid: str) -> None:
        """End a call, wherever it is. Raises `ProviderError`."""
        await self._ask(lambda: self._client.calls(call_sid).update(status="completed"))

    @cached_property
    def _client(self) -> "Client":
        from web.outbound.client import rest_client  # a fifth of a second, in a thread

        assert self._settings.twilio_account_sid is not None
        assert self._settings.twilio_auth_token is not None
        return rest_client(
            self._settings.twilio_account_sid,
            self._settings.twilio_auth_token.get_secret_value(),
            self._settings.twilio_api_base_url,
            (CONNECT_SECONDS, REQUEST_SECONDS),
        )

    async def _ask(self, request: Callable[[], T]) -> T:
        with self._place_in_line():
            running = asyncio.get_running_loop().run_in_executor(self._threads, _translated, request)
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await running
            except TimeoutError:
                raise ProviderError("The provider does not answer.", 504, is_unknown=True) from None

    @contextlib.contextmanager
    def _place_in_line(self) -> Any:
        if self._waiting >= MOST_WAITING:
            raise ProviderError("Too many calls are being placed at the moment. Try again.", 503)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _translated(request: Callable[[], T]) -> T:
    """Run in a thread: the library's errors as ours, without its account, its address and its secrets."""
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import ConnectTimeout, RequestException
    from twilio.base.exceptions import TwilioRestException

    try:
        return request()
    except TwilioRestException as error:
        raise _refusal(error.status, error.code, str(error.msg)) from None
    except ConnectTimeout:
        raise ProviderError("The provider cannot be reached.", 504) from None
    except RequestsConnectionError as error:
        sent = "NewConnectionError" not in repr(error)  # else nobody was there to hear the order
        raise ProviderError("The connection to the provider failed.", 502, is_unknown=sent) from None
    except RequestException:
        raise ProviderError("The provider does not answer.", 504, is_unknown=True) from None
    except ProviderError:
        raise
    except Exception:  # the library takes what it gets for JSON of its own: anything may come of that
        raise ProviderError(NO_SENSE, 502, is_unknown=True) from None


def _sid_of(found: object) -> str:
    """The call SID in the provider's answer, if there is a usable one."""
    try:
        return checked_call_sid(found) if isinstance(found, str) else checked_call_sid("")
    except BadCallSid:
        raise ProviderError(NO_SENSE, 502, is_unknown=True) from None


def _refusal(status: int, code: int | None, message: str) -> ProviderError:
    if status in (401, 403):
        return ProviderError(
            "The provider refuses the credentials. Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.", 502
        )
    if status == 429:
        return ProviderError("The provider takes no more calls at the moment. Try again.", 503)
    if 400 <= status < 500:
        said = message.removeprefix("Unable to create record: ").strip()[:300]
        return ProviderError(f"The provider refuses the call: {said} ({code or status})", 422)
    return ProviderError(f"The provider failed ({status}).", 502, is_unknown=True)
