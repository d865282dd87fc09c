"""Ends a call at its provider because a client of the API wants it gone."""

from orchestrator.conversation.state import ConversationState
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.turns.call_limits import PLACED
from web.problems import provider_problem

NOT_KNOWN = 422
"""The status of a `ProviderError` where the provider does not know the call, or says that it has ended."""


def still_rings(state: ConversationState) -> bool:
    """True if the call was placed here, and nobody has answered it yet."""
    return state.direction.startswith(PLACED) and not state.turns


async def hang_up_live(api: ProviderApi, state: ConversationState) -> None:
    """End the call at the provider, if it is one and lives. If that fails for one that rings, answer 502."""
    if state.channel == "api" or not state.is_active:
        return
    try:
        await api.hang_up(state)
    except ProviderError as error:
        if still_rings(state) and error.status != NOT_KNOWN:
            sentence = f"{error} The call may still ring: send DELETE again."
            raise provider_problem(error.status, sentence, may_retry=True) from None
