"""From which number a message is sent, and whether it may be sent at all."""

from dataclasses import dataclass

from orchestrator.dial_allow import objection
from orchestrator.schedule.item import MessageItem
from orchestrator.settings import Settings

WHATSAPP = "whatsapp:"


class NotSendable(Exception):
    """A message that is not posted, with the reason: a sentence that quotes neither its number nor its text."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The sender and the receiver of a message, as the provider takes them."""

    sender: str
    to: str


def missing_setting(settings: Settings) -> str | None:
    """Return why this deployment can send no message, or None if it can."""
    if settings.provider_credentials is None:
        return "Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN: without them no text message is sent."
    if not (settings.twilio_from_number or "").startswith("+"):
        return "Set TWILIO_FROM_NUMBER to a number of yours such as +15551234567: text messages are sent from it."
    return None


def addresses_of(item: MessageItem, settings: Settings) -> Addresses:
    """Return who sends the message to whom. Raise `NotSendable`.

    What may be dialled may be written to, over WhatsApp as well: a stranger who has messages sent to numbers of their
    choice may earn by each of them, as by calls.
    """
    if (missing := missing_setting(settings)) is not None:
        raise NotSendable(missing)
    ours = settings.twilio_from_number or ""
    number = item.to.removeprefix(WHATSAPP)
    if not number.startswith("+"):
        raise NotSendable("A text message goes to a number with its country, such as +15551234567.")
    if (complaint := objection(number, ours, settings.dial_prefixes)) is not None:
        raise NotSendable(complaint)
    return Addresses(f"{WHATSAPP}{ours}" if item.to.startswith(WHATSAPP) else ours, item.to)
