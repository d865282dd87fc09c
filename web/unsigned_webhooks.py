"""Webhooks that cannot be checked because the key of their provider is not set."""

import logging
from typing import NoReturn

from starlette.requests import HTTPConnection

from orchestrator.settings import Settings
from web.local_access import local_access_of
from web.refused_webhooks import RefusedWebhooks

logger = logging.getLogger(__name__)


class UnsignedWebhooks:
    """Accepts unsigned webhooks from this machine alone, in development alone, with one warning.

    `variable`, the key of `provider`, is not set.

    `for_trying`: they are for trying the product without a provider, as `voiceagent call` does. So they are accepted on
    Twilio's routes only, and only while no provider's key is set.
    """

    def __init__(self, provider: str, variable: str, settings: Settings, *, for_trying: bool = False) -> None:
        self._variable = variable
        self._for_trying = for_trying and not settings.knows_a_provider
        self._settings = settings
        self._warned = False
        self._refused = RefusedWebhooks(provider)

    def check(self, connection: HTTPConnection) -> None:
        """Return if the webhook is accepted, else answer 403."""
        access = local_access_of(connection)
        if self._settings.is_production or not self._for_trying:
            self._refuse(connection, f"{self._variable} is not set: nothing is taken from this provider.")
        if access.why_not:
            self._refuse(connection, f"Set {self._variable}: {access.why_not}, so unsigned webhooks are refused.")
        if not access.allows(connection):
            self._refuse(connection, f"Set {self._variable}: without it only this machine may send webhooks.")
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s is not set: unsigned webhooks from this machine are accepted",
                self._variable,
                extra={"action": "webhook.unsigned"},
            )

    def _refuse(self, connection: HTTPConnection, reason: str) -> NoReturn:
        self._refused.refuse(connection.scope["path"], reason, f"Set {self._variable} if it comes from the provider.")
