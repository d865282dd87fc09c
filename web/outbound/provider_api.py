"""The provider's REST API: places calls and hangs up, in a few threads outside of the event loop."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
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
"""For one request, and those before it in the queue of threads."""
CONNECT_SECONDS = 5.0
QUEUED = "queued"
BAD_ANSWER = "The provider's answer makes no sense."


class ProviderError(VoiceAgentError):
    """The provider did not do what it was asked. `status` is the HTTP status that our client gets.

    `is_unknown`: it may have done it all the same, for example when its answer was lost.
    """

    def __init__(self, message: str, status: int, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_unknown = is_unknown


@dataclass(frozen=True)
class PlacedCall:
    """A call that the provider accepted."""

    call_sid: str
    status: str


class ProviderApi:
    """A client of the API, and a context manager whose exit waits for no request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="provider")

    def __enter__(self) -> "ProviderApi":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def has_credentials(self) -> bool:
        """True if `TWILIO_ACCOUNT_SID` and `TWILIO_AUTH_TOKEN` are set."""
        return bool(self._settings.twilio_account_sid and self._settings.twilio_auth_token)

    async def place(self, **call: Any) -> PlacedCall:
        """Place a call and return it. `call` has the arguments of `client.calls.create`. Raise `ProviderError`."""

        def create() -> PlacedCall:
            made = self._client.calls.create(**call)
            return PlacedCall(_sid_of(made.sid), made.status if isinstance(made.status, str) else QUEUED)

        return await self._request(create)

    async def hang_up(self, state: ConversationState) -> None:
        """End the call at the provider, if there are credentials and the call is Twilio's. Raise `ProviderError`."""
        if not self.has_credentials or getattr(state, "provider", "twilio") != "twilio":
            return
        try:
            await self._request(lambda: self._client.calls(state.call_sid).update(status="completed"))
        except ProviderError as error:
            extra = {"action": "outbound.hangup_failed", "call_sid": state.call_sid, "status": error.status}
            logger.warning("The provider did not hang up", extra=extra)
            raise

    @cached_property
    def _client(self) -> "Client":
        from web.outbound.rest_client import rest_client  # imported in a thread: it takes a fifth of a second

        assert self._settings.twilio_account_sid is not None
        assert self._settings.twilio_auth_token is not None
        return rest_client(
            self._settings.twilio_account_sid,
            self._settings.twilio_auth_token.get_secret_value(),
            self._settings.twilio_api_base_url,
            (CONNECT_SECONDS, REQUEST_SECONDS),
        )

    async def _request(self, request: Callable[[], T]) -> T:
        with self._queue_slot():
            running = asyncio.get_running_loop().run_in_executor(self._threads, _translated, request)
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await running
            except TimeoutError:
                raise ProviderError("The provider does not answer.", 504, is_unknown=True) from None

    @contextlib.contextmanager
    def _queue_slot(self) -> Any:
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
        sent = "NewConnectionError" not in repr(error)  # else the request was never sent
        raise ProviderError("The connection to the provider failed.", 502, is_unknown=sent) from None
    except RequestException:
        raise ProviderError("The provider does not answer.", 504, is_unknown=True) from None
    except ProviderError:
        raise
    except Exception:  # the library does not check what it gets: any exception may follow
        raise ProviderError(BAD_ANSWER, 502, is_unknown=True) from None


def _sid_of(found: object) -> str:
    """Return the call SID in the provider's answer. Raise `ProviderError` if it is unusable."""
    try:
        return checked_call_sid(found) if isinstance(found, str) else checked_call_sid("")
    except BadCallSid:
        raise ProviderError(BAD_ANSWER, 502, is_unknown=True) from None


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
