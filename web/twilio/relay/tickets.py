"""Tickets prove that one of our documents asked for a relay session, and which document of which call it was.

The provider's signature of a WebSocket upgrade covers only the address, which is the same for all calls: a person who
has seen one signature could open a session of any call. A ticket is sealed, and bound to the call, the provider and the
document that carries it.

A ticket also carries who was chosen to answer the call, which begins with its socket's first frame. Tickets of an older
version carry no choice, and that version ignores the one of ours.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.conversation.turn import Turn
from orchestrator.errors import StoreUnavailable
from orchestrator.relay_documents.store import Document
from orchestrator.routes.choice import Choice
from web.ingress import Ingress
from web.seal import Seal
from web.twilio.voice_request import VoiceRequest

TICKET_PARAMETER = "ticket"
"""The `<Parameter>`, and the field of the action's query, that carries the ticket."""
MAX_CHARACTERS = 6000


@dataclass(frozen=True, slots=True)
class Ticket:
    """The ticket of one document of one call. `choice` is who answers it; None: the ticket does not say.

    `first_turn` is the turn with which the session begins: the caller is back from a person, or has left a message.
    `sensitive`: when the document was made, the next words of the caller were.
    """

    call_sid: str
    provider: str
    document: Document
    choice: Choice | None = None
    first_turn: Turn | None = None
    sensitive: bool = False

    def sealed(self, seal: Seal) -> str:
        """Return the ticket as text that is safe in a URL's path."""
        fields = [self.call_sid, self.provider, self.document.number, self.document.at]
        more: dict[str, Any] = {"choice": self.choice.packed()} if self.choice is not None else {}
        if self.first_turn is not None:
            more["first_turn"] = self.first_turn.model_dump(mode="json", exclude_defaults=True)
        if self.sensitive:
            more["sensitive"] = True
        return seal.wrap(json.dumps({"relay": fields, **more}).encode())


def read_ticket(seal: Seal, text: str) -> Ticket | None:
    """Return the ticket that `sealed` has made `text` of; None for any other text."""
    content = seal.unwrap(text) if 0 < len(text) <= MAX_CHARACTERS else None
    try:
        match json.loads(content or b"{}"):
            case {"relay": [str(sid), str(provider), int(number), int(at) | float(at)], **more} if math.isfinite(at):
                chosen = more.get("choice")
                choice = Choice.unpacked(chosen) if isinstance(chosen, dict) else None
                first_turn, document = _first_turn(more.get("first_turn"), sid), Document(number, at)
                return Ticket(sid, provider, document, choice, first_turn, more.get("sensitive") is True)
    except (ValueError, RecursionError):
        pass
    return None


def _first_turn(fields: object, call_sid: str) -> Turn | None:
    """Return the turn in a ticket; None if there is none that this version can read."""
    try:
        turn = Turn.model_validate(fields) if isinstance(fields, dict) else None
    except ValidationError:
        return None
    return turn if turn is not None and turn.call_sid == call_sid else None


async def next_ticket(
    ingress: Ingress,
    request: VoiceRequest,
    choice: Choice | None = None,
    first_turn: Turn | None = None,
    *,
    sensitive: bool = False,
) -> Ticket:
    """Return the ticket of the document that answers this webhook.

    It carries `choice` and `first_turn`, else those of the ticket whose session is over.
    """
    over = await _ticket_over(ingress, request)
    document = await ingress.runtime.documents.next(request.call_sid, over=over.document.number if over else 0)
    if choice is None and over is not None:
        choice = over.choice
    if first_turn is None and over is not None:
        first_turn = over.first_turn
    return Ticket(request.call_sid, request.provider, document, choice, first_turn, sensitive)


async def retire_ticket(ingress: Ingress, request: VoiceRequest) -> None:
    """Make the ticket in this action's query invalid: the provider says that its session is over."""
    if (over := await _ticket_over(ingress, request)) is not None:
        await ingress.runtime.documents.next(request.call_sid, over=over.document.number)


async def _ticket_over(ingress: Ingress, request: VoiceRequest) -> Ticket | None:
    """Return the ticket of the session that is over; None if the query has no valid one."""
    text = request.query.get(TICKET_PARAMETER, "")
    try:
        is_ours = bool(text) and await ingress.seal.knows(text)
    except StoreUnavailable:
        is_ours = False
    ticket = read_ticket(ingress.seal, text) if is_ours else None
    if ticket is None or (ticket.call_sid, ticket.provider) != (request.call_sid, request.provider):
        return None
    return ticket
