"""Whether a relay's session may begin: it shows the ticket of its call's latest document, and nobody else has the line.

The same ticket again is a reconnection. It is taken only when the socket before is gone, or no longer answers a ping,
be it at this ingress or another one: whoever has recorded the frames of a live call does not get the line of it.
"""

import asyncio
import json
import logging
import math
import time
from uuid import uuid4

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.tickets import TICKET, Ticket, read_ticket

logger = logging.getLogger(__name__)

KEY_SECONDS = 5.0
"""So long a session waits for the key of its ticket, while the store that has it is away."""
LOOK_SECONDS = 0.25
MOST_TRIES = 3
FORMER_TICKET_SECONDS = 300.0


async def refusal_of(ingress: Ingress, setup: Setup, provider: str, shown: str | None = None) -> str:
    """Why the session must not begin; "" when it may. `shown` is the ticket in the socket's address, if there is one.

    Call it with `SessionRegistry.entrance`, and let the session enter within.
    """
    why = await _judge(ingress, setup, provider, shown or setup.parameters.get(TICKET, ""))
    if why and (left_out := ingress.warnings.due(("relay", why))) is not None:
        logger.warning(
            "A relay session was refused: %s (%d more since the last such line)",
            why,
            left_out,
            extra={"action": "relay.refused", "call_sid": setup.call_sid},
        )
    return why


async def opens(ingress: Ingress, provider: str, shown: str) -> bool:
    """Whether a socket whose address holds the ticket `shown` may be accepted. Raises `StoreUnavailable`."""
    if not await ingress.seal.knows(shown):
        return False
    ticket = read_ticket(ingress.seal, shown)
    return ticket.provider == provider if ticket is not None else _is_former(ingress, shown)


async def _judge(ingress: Ingress, setup: Setup, provider: str, shown: str) -> str:
    if not shown or _is_former(ingress, shown):
        return await _without_ticket(ingress, setup.call_sid)
    if not await _is_known(ingress, shown):
        return "its ticket is not ours"
    ticket = read_ticket(ingress.seal, shown)
    if ticket is None or (ticket.call_sid, ticket.provider) != (setup.call_sid, provider):
        return "its ticket is another call's"
    return await _enter(ingress, ticket)


async def _is_known(ingress: Ingress, shown: str) -> bool:
    end = time.monotonic() + KEY_SECONDS
    while True:
        try:
            return await ingress.seal.knows(shown)
        except StoreUnavailable:
            if time.monotonic() >= end:
                return False
        await asyncio.sleep(LOOK_SECONDS)


async def _enter(ingress: Ingress, ticket: Ticket) -> str:
    channel = ingress.runtime.lines.channel if ingress.runtime.lines is not None else ""
    holder, gone = f"{channel} {uuid4().hex}", ""
    for _ in range(MOST_TRIES):
        entry = await ingress.runtime.documents.enter(ticket.call_sid, ticket.document, holder, instead_of=gone)
        match entry.standing:
            case "entered":
                return ""
            case "old":
                return "its ticket is an older document's"
            case "stale":
                return "its ticket is too old"
        if await _is_answering(ingress, ticket.call_sid, entry.holder.partition(" ")[0]):
            return "the call's socket is open elsewhere"
        gone = entry.holder
    return "the call's socket is open elsewhere"


async def _is_answering(ingress: Ingress, call_sid: str, channel: str) -> bool:
    lines = ingress.runtime.lines
    if lines is None or channel in ("", lines.channel):
        return await ingress.sessions.is_answering(call_sid)
    return await lines.ask(channel, call_sid)


async def _without_ticket(ingress: Ingress, call_sid: str) -> str:
    """A process of the version before this one writes documents without tickets. While one may still be there, its
    calls are taken, if no document of ours was made for them."""
    if not ingress.is_upgrading:
        return "it shows no ticket"
    if await ingress.runtime.documents.were_any(call_sid) or await ingress.sessions.is_answering(call_sid):
        return "it shows no ticket, and its call has one"
    logger.info(
        "A relay session begins without a ticket: the version before has asked for it",
        extra={"action": "relay.without_ticket", "call_sid": call_sid},
    )
    return ""


def _is_former(ingress: Ingress, shown: str) -> bool:
    """Whether that is a ticket as the version before has made them, for providers that do not sign the socket."""
    if not ingress.is_upgrading:
        return False
    try:
        content = json.loads(ingress.seal.unwrap(shown) or b"{}")
    except ValueError:
        return False
    at = content.get("ticket_at") if isinstance(content, dict) else None
    return isinstance(at, float) and math.isfinite(at) and abs(clock.now() - at) <= FORMER_TICKET_SECONDS
