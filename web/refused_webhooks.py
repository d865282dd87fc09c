"""Webhooks and upgrades that are refused: a warning in a while for each reason, what was checked and what to set."""

import logging
from typing import NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from web.rate_limit import RateLimit

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 300
_RELAY = "/relay/"


class RefusedWebhooks:
    """Refuses those of one provider. Whoever sends forged ones writes no more than a line a minute for each reason."""

    def __init__(self, limit: RateLimit | None = None) -> None:
        self._limit = limit or RateLimit()

    def is_due(self, reason: str) -> bool:
        """Whether the next refusal for this `reason` writes a line. Who has to look for what to set asks first."""
        return self._limit.is_due(reason)

    def refuse(self, url: str, reason: str, advice: str) -> NoReturn:
        """Answer 403 with the `reason`, and log with it the `url` that was checked and what to set."""
        left_out = self._limit.due(reason)
        if left_out is not None:
            more = f" ({left_out} more since the last such line)" if left_out else ""
            logger.warning(
                "A webhook was refused: %s The URL that was checked is %s. %s%s",
                reason,
                shown(url),
                advice,
                more,
                extra={"action": "webhook.refused"},
            )
        raise HTTPException(403, reason)


def shown(url: str) -> str:
    """A URL as it may stand in a log: without the query, which holds what was sealed, and without a relay's ticket."""
    address, question, _ = url.partition("?")
    before, relay, ticket = address.partition(_RELAY)
    if relay and ticket != "ended":
        address = before + relay + "…"
    text = "".join(character if character.isprintable() else "�" for character in address[:MOST_CHARACTERS])
    return text + ("…" if len(address) > MOST_CHARACTERS else "") + ("?…" if question else "")


def public_urls(connection: HTTPConnection, path: str) -> list[str]:
    """Where the provider may have sent what arrived here, as far as the request's own headers tell."""
    named = [connection.headers.get(name, "") for name in ("x-forwarded-host", "x-original-host", "host")]
    hosts = dict.fromkeys(host.partition(",")[0].strip() for host in named if host)
    return [f"{scheme}://{host}{path}" for host in hosts for scheme in ("https", "http")]
