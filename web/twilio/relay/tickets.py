"""Tickets: proof that a relay's session was asked for by a document that came from here, and by which one of its call.

The provider's signature of an upgrade covers the address alone, which is the same for all calls: whoever has seen one
could open any call. A ticket is sealed, and bound to the call, the provider and the document that carries it.
"""

import json
import math
from dataclasses import dataclass

from orchestrator.errors import StoreUnavailable
from orchestrator.relay_documents.store import Document
from web.ingress import Ingress
from web.seal import Seal
from web.twilio.fields import VoiceRequest

TICKET = "ticket"
"""The `<Parameter>`, and the part of the action's query, that carries it."""
MAX_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Ticket:
    """Of one document of one call."""

    call_sid: str
    provider: str
    document: Document

    def sealed(self, seal: Seal) -> str:
        """As text that is safe in a URL's path."""
        fields = [self.call_sid, self.provider, self.document.number, self.document.at]
        return seal.wrap(json.dumps({"relay": fields}).encode())


def read_ticket(seal: Seal, text: str) -> Ticket | None:
    """What `sealed` gave; None for anything else."""
    content = seal.unwrap(text) if 0 < len(text) <= MAX_CHARACTERS else None
    try:
        match json.loads(content or b"{}"):
            case {"relay": [str(call_sid), str(provider), int(number), int(at) | float(at)]} if math.isfinite(at):
                return Ticket(call_sid, provider, Document(number, at))
    except ValueError:
        pass
    return None


async def next_ticket(ingress: Ingress, request: VoiceRequest) -> str:
    """The ticket of the document that answers this webhook."""
    document = await ingress.runtime.documents.next(request.call_sid, over=await _over(ingress, request))
    return Ticket(request.call_sid, request.provider, document).sealed(ingress.seal)


async def note_over(ingress: Ingress, request: VoiceRequest) -> None:
    """The provider says that the session is over whose document this action belongs to: its ticket is worth nothing."""
    if over := await _over(ingress, request):
        await ingress.runtime.documents.next(request.call_sid, over=over)


async def _over(ingress: Ingress, request: VoiceRequest) -> int:
    """The number of the document whose session is over; 0 when that is not told."""
    text = request.query.get(TICKET, "")
    try:
        known = bool(text) and await ingress.seal.knows(text)
    except StoreUnavailable:
        known = False
    ticket = read_ticket(ingress.seal, text) if known else None
    if ticket is None or (ticket.call_sid, ticket.provider) != (request.call_sid, request.provider):
        return 0
    return ticket.document.number
