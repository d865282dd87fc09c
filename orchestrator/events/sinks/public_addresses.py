"""Resolves the host of an event's webhook: no event is sent into a private network by mistake."""

from orchestrator import public_addresses as resolver
from orchestrator.events.sinks.sink import EventRefused


async def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of `host`. Raise `EventRefused` if one of them is not for everybody, OSError if there are
    none now.
    """
    try:
        return await resolver.public_addresses(host, port)
    except resolver.PrivateAddress as error:
        raise EventRefused(
            f"The webhook's host {error.host} has the address {error.address}, which is not a public one. "
            "Set EVENTS_ALLOW_PRIVATE=true if that is right."
        ) from None
