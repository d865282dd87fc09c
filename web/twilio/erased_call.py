"""Webhooks of a call that was erased: a captured one sent again, or one that was under way."""

from contextlib import suppress

from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio.known_call import READ_SECONDS


async def is_known_erased(ingress: Ingress, call_sid: str) -> bool:
    """True if the call is known to be erased; not while the store is down."""
    with suppress(StoreUnavailable):
        return await store_call(ingress.runtime.dispatcher.is_erased(call_sid), READ_SECONDS)
    return False
