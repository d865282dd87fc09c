"""Asks the provider to come for what a caller over webhooks has not heard: it waits for the caller otherwise.

No turn waits for that, and nothing is lost with it: without it the caller hears the same at their next webhook.
"""

import logging
from typing import Literal

from orchestrator import error_logging
from orchestrator.conversation.absence import left_by
from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.errors import StoreUnavailable, UnreadableState
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.tasks import BackgroundTasks
from orchestrator.turns.bounds import is_refusal
from orchestrator.turns.unheard import is_unfetched, unheard
from web.ingress import Ingress
from web.twilio.known_call import KnownCall
from web.twilio.language import Languages

logger = logging.getLogger(__name__)

Delivery = Literal["answer", "relay", "live_update", "next_webhook"]
"""How a caller hears a reply that they did not ask for: in the answer to the request itself (text conversations), on
their relay, because the provider is asked to come for it, or with the next webhook."""
FOLLOW_SECONDS = 300.0
"""How long a turn may wait and run until its result. Later the caller hears it with the next webhook."""


class LiveUpdates:
    """Updates the calls of one ingress at the provider. Close it before `api`."""

    def __init__(self, ingress: Ingress, api: ProviderApi) -> None:
        self._ingress = ingress
        self._api = api
        self._tasks = BackgroundTasks()
        self._followed: set[tuple[str, str]] = set()

    def delivery(self, state: ConversationState, turn: Turn) -> Delivery:
        """Return how the caller hears the reply to `turn`, which is in `state`. It stays so when turns follow."""
        if state.channel == "api":
            return "answer"
        if state.channel == "relay":
            return "relay"
        if not (turn.interrupt and self._can_ask(state)):
            return "next_webhook"
        is_open = hangs_up_by_hand(turn) or _can_be_updated(_until(state, turn.turn_id))
        return "live_update" if is_open else "next_webhook"

    def start(self, turn: Turn, pending: PendingReply) -> None:
        """Ask the provider, in a task of its own, to come for what the caller has not heard, or to hang up.

        It is asked once the turn has its result, whether or not the client still waits for that.
        """
        about = (turn.call_sid, turn.turn_id)
        if about not in self._followed:
            self._followed.add(about)
            self._tasks.start(self._follow(turn, pending), f"live update of {turn.call_sid}")

    async def close(self) -> None:
        """Cancel the requests that have no answer yet."""
        await self._tasks.close()

    @property
    def _base_url(self) -> str | None:
        return self._ingress.settings.callback_base_url

    def _can_ask(self, state: ConversationState) -> bool:
        return self._base_url is not None and self._api.can_control(state)

    async def _follow(self, turn: Turn, pending: PendingReply) -> None:
        try:
            result = await pending.wait(FOLLOW_SECONDS)
        finally:
            self._followed.discard((turn.call_sid, turn.turn_id))
        if result is not None and result.outcome != "dropped" and not is_refusal(result):
            await self._update(turn.call_sid, by_hand=hangs_up_by_hand(turn))

    async def _update(self, call_sid: str, *, by_hand: bool) -> None:
        extra = {"action": "call.update_failed", "call_sid": call_sid}
        try:
            known = await KnownCall.read(self._ingress, call_sid)
            if known is not None and self._can_ask(known.state):
                await (self._end if by_hand else self._continue)(known)
        except (StoreUnavailable, UnreadableState, ProviderError) as error:
            logger.warning("A call was not updated at once; its caller hears it later: %s", error, extra=extra)
        except Exception as error:
            message = "A call could not be updated; report this: %s"
            error_logging.log(logging.ERROR, logger, message, error=error, extra=extra)

    async def _end(self, known: KnownCall) -> None:
        """Hang up by hand, wherever the caller is. A relay session does it itself."""
        is_away = left_by(known.state) is not None
        if is_away and known.state.channel != "api":
            await self._api.hang_up(known.state)
        elif known.state.channel == "gather":
            await self._continue(known)

    async def _continue(self, known: KnownCall) -> None:
        """Have the provider come, unless it comes by itself: for the reply to a turn, or once the caller is back."""
        state, replies = known.state, unheard(known.state)
        if not replies or known.running_turn_id is not None or not _can_be_updated(state):
            return
        if state.ended is not None and not any(reply.text.strip() for reply in replies):
            await self._api.hang_up(state)
            return
        provider = getattr(state, "provider", "twilio")
        languages = known.languages_before(None, Languages(voices=self._ingress.voices.at(provider)))
        await self._api.redirect(state.call_sid, f"{self._base_url}{languages.continue_path(known.next_number)}")


def hangs_up_by_hand(turn: Turn) -> bool:
    """True if a person ends the call with this turn."""
    return turn.given_reply is not None and any(isinstance(it, HangUp) for it in turn.given_reply.actions)


def _can_be_updated(state: ConversationState) -> bool:
    """True if the caller has been answered, and is neither connected with a person nor leaving a message."""
    return any(not is_unfetched(record) for record in state.turns) and left_by(state) is None


def _until(state: ConversationState, turn_id: str) -> ConversationState:
    """Return the state as this turn left it, as far as turns tell."""
    place = next((i for i, record in enumerate(state.turns) if record.turn_id == turn_id), len(state.turns) - 1)
    return state.model_copy(update={"turns": state.turns[: place + 1]})
