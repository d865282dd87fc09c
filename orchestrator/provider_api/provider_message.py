"""A text message as the provider keeps it."""

import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.provider_api.errors import BAD_ANSWER, ProviderError

if TYPE_CHECKING:
    from twilio.rest.api.v2010.account.message import MessageInstance

LONGEST_SID = 64
"""Characters. Twilio's have 34."""
SID_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")


@dataclass(frozen=True, slots=True)
class ProviderMessage:
    """A message that the provider has. `created_at` is when it took it, in whole seconds by its own clock."""

    message_sid: str
    sender: str
    to: str
    text: str
    created_at: datetime | None


def message_of(found: "MessageInstance") -> ProviderMessage:
    """Return a message in the provider's answer. Raise `ProviderError` if it has no usable SID."""
    sid = found.sid
    if not (isinstance(sid, str) and 0 < len(sid) <= LONGEST_SID and set(sid) <= SID_CHARACTERS):
        raise ProviderError(BAD_ANSWER, 502, is_unknown=True)
    created_at = found.date_created if isinstance(found.date_created, datetime) else None
    if created_at is not None and created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=UTC)
    return ProviderMessage(sid, str(found.from_ or ""), str(found.to or ""), str(found.body or ""), created_at)
