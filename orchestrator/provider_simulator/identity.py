"""Who calls whom, and the provider's form fields for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from secrets import randbelow
from uuid import uuid4

Fields = dict[str, str]

GEOGRAPHY = ("City", "State", "Zip")
EMPTY_ACCOUNT_SID = "AC" + "0" * 32


def new_call_sid() -> str:
    """Return a call SID in the form of Twilio's."""
    return "CA" + uuid4().hex


def new_number() -> str:
    """Return the number of a caller: many calls of one would be refused (`CALLER_RATE_LIMIT`)."""
    return f"+1555{randbelow(10_000_000):07}"


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """Return the fields that every webhook of one call has, with geography empty, as it often is."""

    call_sid: str = field(default_factory=new_call_sid)
    from_number: str = "+15558675310"
    to_number: str = "+15551234567"
    account_sid: str = EMPTY_ACCOUNT_SID
    direction: str = "inbound"

    def fields(self, call_status: str, extra: Mapping[str, str] | None = None) -> Fields:
        """Return the form of a webhook; `extra` has its own fields."""
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.call_sid,
            "CallStatus": call_status,
            "Direction": self.direction,
        }
        for legacy, name, number in (("Caller", "From", self.from_number), ("Called", "To", self.to_number)):
            form |= _party(legacy, number) | _party(name, number)
        return form | dict(extra or {})

    def ended(self, call_status: str, duration_seconds: float) -> Fields:
        """Return the form of the last status callback; only a completed call has a duration."""
        extra = {
            "Timestamp": format_datetime(datetime.now(UTC)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "3",
        }
        if call_status == "completed":
            extra["CallDuration"] = str(round(duration_seconds))
            extra["Duration"] = str(max(1, ceil(duration_seconds / 60)))
        return self.fields(call_status, extra)


def _party(name: str, number: str) -> Fields:
    country = "US" if number.startswith("+1") else ""
    return {name: number, name + "Country": country} | {name + part: "" for part in GEOGRAPHY}
