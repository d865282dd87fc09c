"""The number that a person sees when a caller is connected with them.

Without `callerId` they see the caller's own number. Where that is not a number (a client, a SIP address, a withheld
number), the provider refuses to dial (Twilio: error 13214). For a call that we placed it is our number anyway. In both
cases `callerId` is the number that was called, or that placed the call: it belongs to the account.
"""

import logging
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from starlette.responses import Response

from orchestrator.destinations import number
from orchestrator.settings import Settings
from web.twilio.twiml_response import TwimlResponse
from web.twilio.twiml_urls import xml_of
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)


def caller_id(request: VoiceRequest, settings: Settings) -> str | None:
    """Return the number to show; None where the caller's own can be shown, or no other is known."""
    if not request.is_placed and number(request.from_number) is not None:
        return None
    found = number(request.our_number)
    if found is None and request.provider == "twilio" and settings.twilio_from_number:
        found = number(settings.twilio_from_number)
    if found is None:
        logger.warning(
            "A caller without a number is connected, and no number of ours is known to show: set TWILIO_FROM_NUMBER",
            extra={"action": "transfer.no_caller_id", "call_sid": request.call_sid},
        )
    return found


def with_caller_id(response: Response, request: VoiceRequest, settings: Settings) -> Response:
    """Return our document with the caller's identity in its `<Dial>`, where it needs one."""
    if not isinstance(response, TwimlResponse) or b"<Dial" not in bytes(response.body):
        return response
    root = ElementTree.fromstring(bytes(response.body))  # our own document
    dials = [dial for dial in root.iter("Dial") if _needs_number(dial)]
    shown = caller_id(request, settings) if dials else None
    if shown is None:
        return response
    for dial in dials:
        dial.set("callerId", shown)
    return TwimlResponse(xml_of(root))


def _needs_number(dial: Element) -> bool:
    """True if the agent has chosen no number, and somebody is rung who must see one."""
    return dial.get("callerId") is None and any(person.tag != "Client" for person in dial)
