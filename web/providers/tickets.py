"""Tickets: proof, in the relay's URL, that its document came from here in answer to a genuine webhook."""

import json
import math
import time

from starlette.exceptions import HTTPException

from web.twilio.held_turn import Seal

TICKET_SECONDS = 300.0


def new_ticket(seal: Seal) -> str:
    """A ticket for the next five minutes, safe in a path."""
    return seal.wrap(json.dumps({"ticket_at": time.time()}).encode())


def check_ticket(seal: Seal, ticket: str) -> None:
    """Return if the ticket is ours and not too old, else answer 403."""
    content = json.loads(seal.unwrap(ticket) or b"{}")
    at = content.get("ticket_at") if isinstance(content, dict) else None
    if not isinstance(at, float) or not math.isfinite(at) or abs(time.time() - at) > TICKET_SECONDS:
        raise HTTPException(403, "This address of the relay is not ours, or too old.")
