"""Tickets prove that one of our documents asked for a relay session, and which document of which call it was.

The provider's signature of a WebSocket upgrade covers only the address, which is the same for all calls: a person who
has seen one signature could open a session of any call. A ticket is sealed, and bound to the call, the provider and the
document that carries it.
"""

import json
import math
from dataclasses import dataclass

from orchestrator.errors import StoreUnavailable
from orchestrator.relay_documents.store import Document
from web.ingress import Ingress
from web.seal import Seal
from web.twilio.voice_request import VoiceRequest

TICKET_PARAMETER = "ticket"
"""The `<Parameter>`, and the field of the action's query, that carries the ticket."""
MAX_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Ticket:
    """The ticket of one document of one call."""

    call_sid: str
    provider: str
    document: Document

    def sealed(self, seal: Seal) -> str:
        """Return the ticket as text that is safe in a URL's path."""
        fields = [self.call_sid, self.provider, self.document.number, self.document.at]
        return seal.wrap(json.dumps({"relay": fields}).encode())


def read_ticket(seal: Seal, text: str) -> Ticket | None:
    """Return the ticket that `sealed` has made `text` of; None for any other text."""
    content = seal.unwrap(text) if 0 < len(text) <= MAX_CHARACTERS else None
    try:
        match json.loads(content or b"{}"):
            case {"relay": [str(call_sid), str(provider), int(number), int(at) | float(at)]} if math.isfinite(at):
                return Ticket(call_sid, provider, Document(number, at))
    except ValueError:
        pass
    return None


async def next_ticket(ingress: Ingress, request: VoiceRequest) -> str:
    """Return the ticket of the document that answers this webhook."""
    document = await ingress.runtime.documents.next(request.call_sid, over=await _document_over(ingress, request))
    return Ticket(request.call_sid, request.provider, document).sealed(ingress.seal)


async def retire_ticket(ingress: Ingress, request: VoiceRequest) -> None:
    """Make the ticket in this action's query invalid: the provider says that its session is over."""
    if over := await _document_over(ingress, request):
        await ingress.runtime.documents.next(request.call_sid, over=over)


async def _document_over(ingress: Ingress, request: VoiceRequest) -> int:
    """Return the number of the document whose session is over; 0 if the query has no valid ticket."""
    text = request.query.get(TICKET_PARAMETER, "")
    try:
        is_ours = bool(text) and await ingress.seal.knows(text)
    except StoreUnavailable:
        is_ours = False
    ticket = read_ticket(ingress.seal, text) if is_ours else None
    if ticket is None or (ticket.call_sid, ticket.provider) != (request.call_sid, request.provider):
        return 0
    return ticket.document.number
