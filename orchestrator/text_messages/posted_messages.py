"""Which of the messages that the provider has may be one of ours whose answer was lost."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from orchestrator.provider_api.provider_message import ProviderMessage
from orchestrator.text_messages.addressing import Addresses

TRIAL_PREFIX = "Sent from your Twilio trial account - "
"""What Twilio puts before the text of accounts that pay nothing."""
CLOCK_SKEW = timedelta(seconds=60)
"""How far the provider's clock may be behind ours."""


def candidates(
    found: Iterable[ProviderMessage], addresses: Addresses, text: str, since: datetime
) -> list[ProviderMessage]:
    """Return the messages with these addresses and this text, from `since` on, the oldest first.

    An equal message of another call within the same minute cannot be told from ours; one of the same call is known by
    its SID.
    """
    earliest = since - CLOCK_SKEW
    equal = [
        message
        for message in found
        if (message.sender, message.to) == (addresses.sender, addresses.to)
        and _compared(message.text) == _compared(text)
        and (message.created_at is None or message.created_at >= earliest)
    ]
    return sorted(equal, key=lambda message: (message.created_at or since, message.message_sid))


def _compared(text: str) -> str:
    """Return a text without what the provider may have changed: its prefix for trials, and blanks around it."""
    return " ".join(text.removeprefix(TRIAL_PREFIX).split())
