"""The routes of Twilio's webhooks."""

from starlette.routing import Route, WebSocketRoute

from web.twilio.relay.ended import ended, retiring_ticket
from web.twilio.relay.socket import relay
from web.twilio.status import status, unless_ended
from web.twilio.transfer.announcement import accept, announce
from web.twilio.turn import turn
from web.twilio.voice import voice
from web.twilio.wait import wait
from web.twilio.webhook import signed

PREFIX = "/twilio/"

routes = [
    Route("/twilio/voice", signed(unless_ended(voice)), methods=["POST"]),
    Route("/twilio/turn/{n}", signed(unless_ended(turn)), methods=["POST"]),
    Route("/twilio/turn/{n}/wait", signed(unless_ended(wait)), methods=["POST"]),
    WebSocketRoute("/twilio/relay", relay),
    Route("/twilio/relay/ended", signed(retiring_ticket(unless_ended(ended))), methods=["POST"]),
    Route("/twilio/transfer/announce", signed(announce), methods=["POST"]),
    Route("/twilio/transfer/accept", signed(accept), methods=["POST"]),
    Route("/twilio/status", signed(status), methods=["POST"]),
]
