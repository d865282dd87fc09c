"""The resource `Messages`: text messages are sent, looked up and listed. Nothing makes two equal ones one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode
from uuid import uuid4

from orchestrator.provider_simulator.rest_api.resources import Refusal, Resource, not_found, now, read_date, shown_date

LONGEST_BODY = 1600
PAGE_SIZE = 50
MOST_ON_A_PAGE = 1000

MessageStatus = Literal["queued", "sending", "sent", "delivered", "undelivered", "failed"]


@dataclass
class SentMessage:
    """One message. `unlisted` is how many more listings miss it: a provider's index may lag behind."""

    to: str
    from_number: str
    body: str
    sid: str = field(default_factory=lambda: "SM" + uuid4().hex)
    status: MessageStatus = "queued"
    error_code: int | None = None
    created_at: datetime = field(default_factory=now)
    unlisted: int = 0

    def resource(self, account_sid: str) -> Resource:
        """Return the message as the API shows it."""
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "to": self.to,
            "from": self.from_number,
            "body": self.body,
            "status": self.status,
            "direction": "outbound-api",
            "num_segments": str(-(-len(self.body) // 153)),
            "num_media": "0",
            "date_created": shown_date(self.created_at),
            "date_updated": shown_date(self.created_at),
            "date_sent": shown_date(self.created_at),
            "error_code": self.error_code,
            "error_message": None,
            "messaging_service_sid": None,
            "price": None,
            "price_unit": "USD",
            "api_version": "2010-04-01",
            "uri": f"/2010-04-01/Accounts/{account_sid}/Messages/{self.sid}.json",
        }


@dataclass
class SentMessages:
    """The messages of the account, in `sent`. `on_sent` is called with each new one.

    `listing_lag` is how many listings miss a new message.
    """

    account_sid: str
    listing_lag: int = 0
    on_sent: Callable[[SentMessage], None] | None = None
    sent: list[SentMessage] = field(default_factory=list)

    def create(self, form: Mapping[str, str]) -> Resource:
        """Send a message. Raise `Refusal`."""
        to, from_number, body = (form.get(name, "") for name in ("To", "From", "Body"))
        _check(to, from_number, body)
        message = SentMessage(to, from_number, body, unlisted=self.listing_lag)
        self.sent.append(message)
        if self.on_sent is not None:
            self.on_sent(message)
        return message.resource(self.account_sid)

    def fetch(self, sid: str) -> Resource:
        """Return a message. Raise `Refusal`."""
        found = next((message for message in self.sent if message.sid == sid), None)
        if found is None:
            raise not_found(f"/Messages/{sid}.json")
        return found.resource(self.account_sid)

    def listing(self, query: Mapping[str, str]) -> Resource:
        """Return the messages that the query asks for, the newest first. Raise `Refusal`."""
        size = min(_whole(query.get("PageSize"), PAGE_SIZE), MOST_ON_A_PAGE)
        page = _whole(query.get("Page"), 0)
        found = [message for message in reversed(self.sent) if self._is_listed(message) and _fits(message, query)]
        shown, rest = found[page * size : (page + 1) * size], found[(page + 1) * size :]
        base = f"/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        return {
            "messages": [message.resource(self.account_sid) for message in shown],
            "page": page,
            "page_size": size,
            "uri": base,
            "first_page_uri": f"{base}?PageSize={size}&Page=0",
            "next_page_uri": f"{base}?{_again(query, size, page + 1)}" if rest else None,
            "previous_page_uri": None,
            "start": page * size,
            "end": page * size + len(shown) - 1,
        }

    @staticmethod
    def _is_listed(message: SentMessage) -> bool:
        if message.unlisted:
            message.unlisted -= 1
            return False
        return True


def _check(to: str, from_number: str, body: str) -> None:
    if not to:
        raise Refusal(400, 21604, "A 'To' phone number is required.")
    if not from_number:
        raise Refusal(400, 21603, "A 'From' phone number is required.")
    if not body:
        raise Refusal(400, 21602, "Message body is required.")
    if len(body) > LONGEST_BODY:
        raise Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if to.startswith("whatsapp:") != from_number.startswith("whatsapp:"):
        raise Refusal(400, 63007, "Twilio could not find a Channel with the specified From address")
    if not _is_number(to):
        raise Refusal(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if not _is_number(from_number):
        raise Refusal(400, 21212, f"Invalid From Number (caller ID): {from_number}")
    if to == from_number:
        raise Refusal(400, 21266, "'To' and 'From' number cannot be the same")


def _is_number(party: str) -> bool:
    number = party.removeprefix("whatsapp:")
    return number.startswith("+") and number[1:].isdecimal() and 5 <= len(number) <= 16


def _fits(message: SentMessage, query: Mapping[str, str]) -> bool:
    sent = message.created_at
    return (
        query.get("To", message.to) == message.to
        and query.get("From", message.from_number) == message.from_number
        and ("DateSent" not in query or read_date(query["DateSent"]).date() == sent.date())
        and ("DateSent>" not in query or read_date(query["DateSent>"]) <= sent)
        and ("DateSent<" not in query or read_date(query["DateSent<"]) >= sent)
    )


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else default


def _again(query: Mapping[str, str], size: int, page: int) -> str:
    return urlencode({**query, "PageSize": size, "Page": page})
