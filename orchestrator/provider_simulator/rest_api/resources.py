"""What all resources of the REST API share: refusals and dates, in the provider's form."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

Resource = dict[str, Any]


class Refusal(Exception):
    """The request is refused with this HTTP status and this code of the provider's."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def resource(self) -> Resource:
        """Return the body of the answer."""
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": more, "status": self.status}


def not_found(path: str) -> Refusal:
    """Return the answer for a resource that does not exist."""
    return Refusal(404, 20404, f"The requested resource {path} was not found")


def now() -> datetime:
    """Return the time in the provider's precision: whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def shown_date(time: datetime | None) -> str | None:
    """Return a date as resources have it (RFC 2822)."""
    return None if time is None else format_datetime(time)


def read_date(text: str) -> datetime:
    """Return the date of a query: a day, or a moment (ISO 8601). Raise `Refusal`."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Refusal(400, 20001, f"{text} is no date") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
