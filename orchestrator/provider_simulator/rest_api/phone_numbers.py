"""The resource `IncomingPhoneNumbers`: the telephone numbers of the account, as far as one is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.provider_simulator.rest_api.resources import Resource


@dataclass
class PhoneNumbers:
    """Every number is one of the account's and sends text messages, but those in `foreign` and in `mute`."""

    account_sid: str
    foreign: set[str] = field(default_factory=set)
    mute: set[str] = field(default_factory=set)

    def listing(self, query: Mapping[str, str]) -> Resource:
        """Return the number that the query asks for; without one, none."""
        number = query.get("PhoneNumber", "")
        found = [self._number(number)] if number and number not in self.foreign else []
        base = f"/2010-04-01/Accounts/{self.account_sid}/IncomingPhoneNumbers.json"
        return {
            "incoming_phone_numbers": found, "page": 0, "page_size": 50, "uri": base, "first_page_uri": base,
            "next_page_uri": None, "previous_page_uri": None, "start": 0, "end": max(len(found) - 1, 0),
        }  # fmt: skip

    def _number(self, number: str) -> Resource:
        digits = "".join(char for char in number if char.isdecimal())
        return {
            "sid": f"PN{digits:0>32}"[:34], "account_sid": self.account_sid, "phone_number": number,
            "friendly_name": number, "capabilities": {"voice": True, "sms": number not in self.mute, "mms": False},
        }  # fmt: skip
