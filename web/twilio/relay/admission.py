"""Admission of relay sessions. A session needs the ticket of its call's latest document, and must be the only one.

The same ticket shown again is a reconnection. It is admitted only if the earlier socket is gone or does not answer a
ping, at this ingress or at another one. So a person who has recorded the frames of a live call cannot take it over.
"""

import asyncio
import json
import logging
import math
import time
from dataclasses import dataclass
from uuid import uuid4

from orchestrator import clock
from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress
from web.twilio.relay.inbound_frames import Setup
from web.twilio.relay.tickets import TICKET_PARAMETER, Ticket, read_ticket

logger = logging.getLogger(__name__)

KEY_SECONDS = 5.0
"""How long a session waits for the key of its ticket while the store that keeps the key is unavailable."""
POLL_SECONDS = 0.25
MAX_TRIES = 3
FORMER_TICKET_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a session may begin: `why_not` is "" then. `ticket` is the one it showed, if that is ours.

    `goes_on`: another session of the same document had begun, and its socket is lost: the provider opens a new one.
    `before` is the ingress that had the call's session before, or "".
    """

    why_not: str = ""
    ticket: Ticket | None = None
    goes_on: bool = False
    before: str = ""


async def decision_on(ingress: Ingress, setup: Setup, provider: str, shown: str | None = None) -> Decision:
    """Return whether the session may begin. `shown` is the ticket in the socket's address, if any.

    Call this, and add the session to the registry, while you hold `SessionRegistry.lock`.
    """
    decision = await _decision(ingress, setup, provider, shown or setup.parameters.get(TICKET_PARAMETER, ""))
    why = decision.why_not
    if why and (left_out := ingress.warnings.due(("relay", why))) is not None:
        logger.warning(
            "Refused a relay session: %s (%d more since the last such line)",
            why,
            left_out,
            extra={"action": "relay.refused", "call_sid": setup.call_sid},
        )
    return decision


async def may_connect(ingress: Ingress, provider: str, shown: str) -> bool:
    """True if a socket whose address holds the ticket `shown` may be accepted. Raises `StoreUnavailable`."""
    if not await ingress.seal.knows(shown):
        return False
    ticket = read_ticket(ingress.seal, shown)
    return ticket.provider == provider if ticket is not None else _is_former_ticket(ingress, shown)


async def _decision(ingress: Ingress, setup: Setup, provider: str, shown: str) -> Decision:
    if not shown or _is_former_ticket(ingress, shown):
        return Decision(await _without_ticket(ingress, setup.call_sid))
    if not await _is_ours(ingress, shown):
        return Decision("its ticket is not ours")
    ticket = read_ticket(ingress.seal, shown)
    if ticket is None or (ticket.call_sid, ticket.provider) != (setup.call_sid, provider):
        return Decision("its ticket is another call's")
    return await _enter(ingress, ticket)


async def _is_ours(ingress: Ingress, shown: str) -> bool:
    end = time.monotonic() + KEY_SECONDS
    while True:
        try:
            return await ingress.seal.knows(shown)
        except StoreUnavailable:
            if time.monotonic() >= end:
                return False
        await asyncio.sleep(POLL_SECONDS)


async def _enter(ingress: Ingress, ticket: Ticket) -> Decision:
    """Return whether the session with this ticket may begin."""
    channel = ingress.runtime.socket_check.channel if ingress.runtime.socket_check is not None else ""
    holder, gone = f"{channel} {uuid4().hex}", ""
    for _ in range(MAX_TRIES):
        entry = await ingress.runtime.documents.enter(ticket.call_sid, ticket.document, holder, instead_of=gone)
        match entry.standing:
            case "entered":
                return Decision("", ticket, bool(gone), _ingress_of(entry.before))
            case "old":
                return Decision("its ticket is an older document's", ticket)
            case "stale":
                return Decision("its ticket is too old", ticket)
        if await _is_answering(ingress, ticket.call_sid, entry.holder.partition(" ")[0]):
            break
        gone = entry.holder
    return Decision("the call's socket is open elsewhere", ticket)


def _ingress_of(holder: str) -> str:
    """Return the id of the ingress that has this session: its channel ends with it."""
    return holder.partition(" ")[0].rpartition(":")[2]


async def _is_answering(ingress: Ingress, call_sid: str, channel: str) -> bool:
    check = ingress.runtime.socket_check
    if check is None or channel in ("", check.channel):
        return await ingress.sessions.has_answering(call_sid)
    return await check.ask(channel, call_sid)


async def _without_ticket(ingress: Ingress, call_sid: str) -> str:
    """Admit the calls of a process of the previous version, which writes documents without tickets.

    Only while such a process may still run, and only calls for which this version has made no document.
    """
    if not ingress.is_upgrading:
        return "it shows no ticket"
    if await ingress.runtime.documents.has_any(call_sid) or await ingress.sessions.has_answering(call_sid):
        return "it shows no ticket, and its call has one"
    logger.info(
        "A relay session begins without a ticket: a process of the previous version asked for it",
        extra={"action": "relay.without_ticket", "call_sid": call_sid},
    )
    return ""


def _is_former_ticket(ingress: Ingress, shown: str) -> bool:
    """True if `shown` is a ticket of the previous version, made for a provider that does not sign the socket."""
    if not ingress.is_upgrading:
        return False
    try:
        content = json.loads(ingress.seal.unwrap(shown) or b"{}")
    except ValueError:
        return False
    at = content.get("ticket_at") if isinstance(content, dict) else None
    return isinstance(at, float) and math.isfinite(at) and abs(clock.now() - at) <= FORMER_TICKET_SECONDS
