"""Refuses webhooks and upgrades, and warns once in a while for each reason: what was checked, and what to set."""

import logging
from typing import NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from orchestrator.process_metrics import catalog
from web.rate_limit import RateLimit

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 300
_RELAY = "/relay/"


class RefusedWebhooks:
    """Refuses the webhooks of one provider. Forged ones cause at most one line a minute for each reason."""

    def __init__(self, provider: str, limit: RateLimit | None = None) -> None:
        self._provider = provider
        self._limit = limit or RateLimit()

    def is_due(self, reason: str) -> bool:
        """True if the next refusal for this `reason` is logged. Check it before you compute expensive advice."""
        return self._limit.is_due(reason)

    def refuse(self, url: str, reason: str, advice: str) -> NoReturn:
        """Answer 403 with the `reason`, and log with it the `url` that was checked and what to set."""
        catalog.SIGNATURE_FAILURES.inc(self._provider)
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
    """Return a URL as it may be logged: without the query, which holds sealed content, and without a relay's ticket."""
    address, question, _ = url.partition("?")
    before, relay, ticket = address.partition(_RELAY)
    if relay and ticket != "ended":
        address = before + relay + "…"
    text = "".join(character if character.isprintable() else "�" for character in address[:MOST_CHARACTERS])
    return text + ("…" if len(address) > MOST_CHARACTERS else "") + ("?…" if question else "")


def public_urls(connection: HTTPConnection, path: str) -> list[str]:
    """Return the URLs that the provider may have requested, by the request's own headers."""
    named = [connection.headers.get(name, "") for name in ("x-forwarded-host", "x-original-host", "host")]
    hosts = dict.fromkeys(host.partition(",")[0].strip() for host in named if host)
    return [f"{scheme}://{host}{path}" for host in hosts for scheme in ("https", "http")]
