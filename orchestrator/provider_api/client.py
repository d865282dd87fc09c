"""The provider's REST API: calls and text messages, in a few threads outside of the event loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadCallSid
from orchestrator.provider_api.errors import BAD_ANSWER, ProviderError, translated
from orchestrator.provider_api.provider_message import ProviderMessage, message_of
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
MOST_FOUND = 200
"""How many messages one search returns."""


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

    def can_control(self, state: ConversationState) -> bool:
        """True if there are credentials, or a simulated provider, and the call is Twilio's."""
        return self._settings.provider_credentials is not None and getattr(state, "provider", "twilio") == "twilio"

    async def hang_up(self, state: ConversationState) -> None:
        """End the call at the provider, if this client `can_control` it. Raise `ProviderError`."""
        if not self.can_control(state):
            return
        try:
            await self._request(lambda: self._client.calls(state.call_sid).update(status="completed"))
        except ProviderError as error:
            extra = {"action": "outbound.hangup_failed", "call_sid": state.call_sid, "status": error.status}
            logger.warning("The provider did not hang up", extra=extra)
            raise

    async def redirect(self, call_sid: str, url: str) -> None:
        """Have the provider fetch the call's next document from `url`, whatever it is doing. Raise `ProviderError`."""
        await self._request(lambda: self._client.calls(call_sid).update(url=url, method="POST"))

    async def send_message(self, sender: str, to: str, text: str) -> str:
        """Post a text message and return its SID. Raise `ProviderError`. It is not posted after the deadline."""
        asked_at = time.monotonic()

        def create() -> str:
            client = self._client
            if time.monotonic() > asked_at + DEADLINE_SECONDS:  # nobody waits for this thread any more
                raise ProviderError("The message waited for too long.", 504, is_temporary=True)
            return message_of(client.messages.create(from_=sender, to=to, body=text)).message_sid

        return await self._request(create, "message")

    async def find_messages(self, to: str, since: datetime) -> list[ProviderMessage]:
        """Return the messages to this number since then, newest first. Raise `ProviderError`."""

        def find() -> list[ProviderMessage]:
            found = self._client.messages.list(to=to, date_sent_after=since, limit=MOST_FOUND)
            return [message_of(message) for message in found]

        return await self._request(find, "message")

    async def can_text(self, number: str) -> bool | None:
        """Return whether this number of the account sends text messages; None if the account has no such number.
        Raise `ProviderError`."""

        def find() -> bool | None:
            found = self._client.incoming_phone_numbers.list(phone_number=number, limit=1)
            return bool((found[0].capabilities or {}).get("sms")) if found else None

        return await self._request(find, "message")

    @cached_property
    def _client(self) -> "Client":
        from orchestrator.provider_api.rest_client import rest_client  # in a thread: it takes a fifth of a second

        credentials = self._settings.provider_credentials
        assert credentials is not None
        return rest_client(*credentials, self._settings.twilio_api_base_url, (CONNECT_SECONDS, REQUEST_SECONDS))

    async def _request(self, request: Callable[[], T], what: str = "call") -> T:
        with self._queue_slot(what):
            running = asyncio.get_running_loop().run_in_executor(self._threads, translated, request, what)
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await running
            except TimeoutError:
                raise ProviderError("The provider does not answer.", 504, is_unknown=True) from None

    @contextlib.contextmanager
    def _queue_slot(self, what: str) -> Iterator[None]:
        if self._waiting >= MOST_WAITING:
            doing = "sent" if what == "message" else "placed"
            message = f"Too many {what}s are being {doing} at the moment. Try again."
            raise ProviderError(message, 503, is_temporary=True)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _sid_of(found: object) -> str:
    """Return the call SID in the provider's answer. Raise `ProviderError` if it is unusable."""
    try:
        return checked_call_sid(found) if isinstance(found, str) else checked_call_sid("")
    except BadCallSid:
        raise ProviderError(BAD_ANSWER, 502, is_unknown=True) from None
