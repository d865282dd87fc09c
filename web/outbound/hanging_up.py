"""Ending a telephone call at the provider."""

import logging

from orchestrator.conversation.state import ConversationState
from web.outbound.line import ProviderError
from web.outbound.placing import Outbound

logger = logging.getLogger(__name__)


async def hang_up(outbound: Outbound, state: ConversationState) -> None:
    """End the call at the provider, if there are credentials and the call is of that provider.

    Raise `ProviderError`.
    """
    if not outbound.line.is_open or getattr(state, "provider", "twilio") != "twilio":
        return
    try:
        await outbound.line.hang_up(state.call_sid)
    except ProviderError as error:
        logger.warning(
            "The provider did not hang up",
            extra={"action": "outbound.hangup_failed", "call_sid": state.call_sid, "status": error.status},
        )
        raise
