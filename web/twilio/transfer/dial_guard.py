"""`DIAL_ALLOW` holds for transfers, too: an agent with a language model may be talked into dialling anything.

Without that setting an agent may connect a caller with anybody. `TRANSFER_TO` may always be dialled.
"""

import logging
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from starlette.responses import Response

from orchestrator.destinations import destination, region_of
from orchestrator.dial_allow import objection
from orchestrator.settings import Settings
from web.twilio.transfer.leaving import FAILED, UNREACHABLE
from web.twilio.twiml_response import TwimlResponse
from web.twilio.twiml_urls import xml_of
from web.twilio.voice_request import VoiceRequest

logger = logging.getLogger(__name__)


def with_allowed_dial(response: Response, request: VoiceRequest, settings: Settings) -> Response:
    """Return our document without those people in its `<Dial>` whom nobody may dial: they have failed to answer."""
    if settings.dial_allow is None or not isinstance(response, TwimlResponse) or b"<Dial" not in bytes(response.body):
        return response
    root = ElementTree.fromstring(bytes(response.body))  # our own document
    removed = [_remove_refused(root, place, dial, request, settings) for place, dial in _dials(root)]
    return TwimlResponse(xml_of(root)) if any(removed) else response


def _dials(root: Element) -> list[tuple[int, Element]]:
    return [(place, verb) for place, verb in enumerate(root) if verb.tag == "Dial"]


def _remove_refused(root: Element, place: int, dial: Element, request: VoiceRequest, settings: Settings) -> bool:
    refused = [(person, why) for person in dial if (why := _objection(person, request, settings)) is not None]
    for person, why in refused:
        extra = {"action": "transfer.refused", "call_sid": request.call_sid}
        logger.warning("A transfer was refused: %s", why, extra=extra)
        dial.remove(person)
    if refused and len(dial) == 0:
        root.remove(dial)
        root.insert(place, _instead(dial.get("action")))
    return bool(refused)


def _instead(action: str | None) -> Element:
    """Return the verb in place of a `<Dial>` that would ring nobody."""
    if action is None:
        sentence = Element("Say")
        sentence.text = UNREACHABLE
        return sentence
    path, _, query = action.partition("?")
    redirect = Element("Redirect", method="POST")
    redirect.text = f"{path}?{urlencode([*parse_qsl(query), ('status', FAILED)])}"
    return redirect


def _objection(person: Element, request: VoiceRequest, settings: Settings) -> str | None:
    to = f"client:{person.text}" if person.tag == "Client" else person.text or ""
    if person.tag == "Number":
        to = destination(to, region_of(request.our_number)) or to
    if to == settings.transfer_to:
        return None
    if person.tag == "Number" and not to.startswith("+"):
        return "It is a number without its country."
    return objection(to, request.our_number, settings.dial_prefixes)
