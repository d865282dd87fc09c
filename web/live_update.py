"""Asks the provider to come for what a caller over webhooks has not heard: it waits for the caller otherwise.

No turn waits for that, and nothing is lost with it: without it the caller hears the same at their next webhook.
"""

import logging
from typing import Literal

from orchestrator import error_logging
from orchestrator.conversation.absence import left_by
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.unheard import unheard
from web.ingress import Ingress
from web.twilio.known_call import KnownCall
from web.twilio.language import Languages
from web.twilio.voice_request import CONTINUE

logger = logging.getLogger(__name__)

Delivery = Literal["answer", "relay", "live_update", "next_webhook"]
"""How a caller hears a reply that they did not ask for: in the answer to the request itself (text conversations), on
their relay, because the provider is asked to come for it, or with the next webhook."""


class LiveUpdates:
    """Updates the calls of one ingress at the provider. Close it before `api`."""

    def __init__(self, ingress: Ingress, api: ProviderApi) -> None:
        self._ingress = ingress
        self._api = api
        self._tasks = BackgroundTasks()

    def delivery(self, state: ConversationState, *, interrupts: bool) -> Delivery:
        """Return how the caller hears the replies at the end of `state`."""
        if state.channel == "api":
            return "answer"
        if state.channel == "relay":
            return "relay"
        is_there = left_by(state) is None or state.ended is not None
        can_ask = interrupts and is_there and self._base_url is not None and self._api.can_control(state)
        return "live_update" if can_ask else "next_webhook"

    def start(self, call_sid: str) -> None:
        """Ask the provider to come for what the caller has not heard, in a task of its own."""
        self._tasks.start(self._update(call_sid), f"live update of {call_sid}")

    async def close(self) -> None:
        """Cancel the requests that have no answer yet."""
        await self._tasks.close()

    @property
    def _base_url(self) -> str | None:
        return self._ingress.settings.callback_base_url

    async def _update(self, call_sid: str) -> None:
        extra = {"action": "call.update_failed", "call_sid": call_sid}
        try:
            known = await KnownCall.read(self._ingress, call_sid)
            if known is not None and self.delivery(known.state, interrupts=True) == "live_update":
                await self._ask(known)
        except (StoreUnavailable, UnreadableState, ProviderError) as error:
            logger.warning("A call was not updated at once; its caller hears it later: %s", error, extra=extra)
        except Exception as error:
            message = "A call could not be updated; report this: %s"
            error_logging.log(logging.ERROR, logger, message, error=error, extra=extra)

    async def _ask(self, known: KnownCall) -> None:
        state = known.state
        replies = unheard(state)
        if state.ended is not None and not any(reply.text.strip() for reply in replies):
            await self._api.hang_up(state)
        elif replies:
            provider = getattr(state, "provider", "twilio")
            languages = known.languages_before(None, Languages(voices=self._ingress.voices.at(provider)))
            path = languages.turn_path(known.next_number, **{CONTINUE: 1})
            await self._api.redirect(state.call_sid, f"{self._base_url}{path}")
