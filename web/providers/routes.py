"""The routes of the other providers: those of `/twilio`, under each provider's prefix."""

from collections.abc import Mapping

from starlette.routing import BaseRoute, Route, WebSocketRoute

from orchestrator.settings import Settings
from web.providers.dialect import Dialect, PublicUrl, SignatureCheck
from web.providers.signalwire import SIGNALWIRE
from web.providers.telnyx import TELNYX
from web.providers.webhook import relay_socket, signed_by
from web.twilio.relay.ended import ended, retiring_ticket
from web.twilio.status import status, unless_ended
from web.twilio.transfer.announcement import accept, announce
from web.twilio.turn import turn
from web.twilio.voice import voice
from web.twilio.wait import wait

DIALECTS = (TELNYX, SIGNALWIRE)
PREFIXES = tuple(dialect.prefix for dialect in DIALECTS)

_WEBHOOKS = {
    "voice": unless_ended(voice),
    "turn/{n}": unless_ended(turn),
    "turn/{n}/wait": unless_ended(wait),
    "relay/ended": retiring_ticket(unless_ended(ended)),
    "transfer/announce": announce,
    "transfer/accept": accept,
    "status": status,
}


def signature_checks(settings: Settings, public_url: PublicUrl) -> Mapping[str, SignatureCheck]:
    """Return the signature check of each provider, by its name."""
    return {dialect.name: dialect.signature_check(settings, public_url) for dialect in DIALECTS}


def _routes_of(dialect: Dialect) -> list[BaseRoute]:
    webhooks = [
        Route(dialect.prefix + path, signed_by(dialect, webhook), methods=["POST"])
        for path, webhook in _WEBHOOKS.items()
    ]
    return [*webhooks, WebSocketRoute(dialect.prefix + "relay/{ticket}", relay_socket(dialect))]


routes: list[BaseRoute] = [route for dialect in DIALECTS for route in _routes_of(dialect)]
