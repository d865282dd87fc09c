"""What every Twilio route does first: read the form, check its signature, parse its fields."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from web.form import read_form
from web.ingress import Ingress, ingress_of
from web.twilio.caller_id import with_caller_id
from web.twilio.transfer.dial_guard import with_allowed_dial
from web.twilio.twiml_response import TwimlResponse
from web.twilio.twiml_urls import with_base_path
from web.twilio.voice_request import VoiceRequest

Webhook = Callable[[Ingress, VoiceRequest], Awaitable[Response]]


def signed(webhook: Webhook) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that calls `webhook` if the signature of the request is right."""

    async def endpoint(request: Request) -> Response:
        ingress = ingress_of(request)
        form = await read_form(request)
        ingress.signatures.check(request, form)
        voice_request = VoiceRequest.of(request, form)
        response = with_allowed_dial(await webhook(ingress, voice_request), voice_request, ingress.settings)
        response = with_caller_id(response, voice_request, ingress.settings)
        base_path = ingress.settings.base_path
        if not base_path or not isinstance(response, TwimlResponse):
            return response
        return TwimlResponse(with_base_path(bytes(response.body).decode(), base_path))

    return endpoint
