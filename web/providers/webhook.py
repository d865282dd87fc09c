"""What every route of another provider does: check the request, call the shared webhook, translate its answer."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket

from orchestrator.errors import StoreUnavailable
from web.body import media_type, read_body
from web.form import FORM_TYPE, form_of
from web.ingress import ingress_of
from web.providers.dialect import Dialect, SignatureCheck
from web.providers.translation import translated
from web.refused_webhooks import RefusedWebhooks
from web.twilio.caller_id import with_caller_id
from web.twilio.relay.admission import may_connect
from web.twilio.relay.socket import serve
from web.twilio.transfer.dial_guard import with_allowed_dial
from web.twilio.twiml_response import TwimlResponse
from web.twilio.voice_request import VoiceRequest
from web.twilio.webhook import Webhook


def signed_by(dialect: Dialect, webhook: Webhook) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that calls `webhook` if the request has the provider's signature."""

    async def endpoint(request: Request) -> Response:
        ingress = ingress_of(request)
        body, form = await _read(request, dialect)
        signatures: SignatureCheck = request.app.state.signature_checks[dialect.name]
        signatures.check(request, form, body)
        voice_request = replace(VoiceRequest.of(request, form), provider=dialect.name)
        response = with_allowed_dial(await webhook(ingress, voice_request), voice_request, ingress.settings)
        response = with_caller_id(response, voice_request, ingress.settings)
        if not isinstance(response, TwimlResponse):
            return response
        base_url = voice_request.base_url(ingress.settings)
        return TwimlResponse(translated(bytes(response.body).decode(), dialect, ingress.settings, base_url=base_url))

    return endpoint


def relay_socket(dialect: Dialect) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the endpoint of the relay's socket, which accepts connections with a ticket."""

    async def endpoint(websocket: WebSocket) -> None:
        ingress = ingress_of(websocket)
        signatures: SignatureCheck = websocket.app.state.signature_checks[dialect.name]
        ticket = websocket.path_params["ticket"]
        try:
            signatures.check_open(websocket)
            if not await may_connect(ingress, dialect.name, ticket):
                refused = RefusedWebhooks(dialect.name, ingress.warnings)
                advice = "Its ticket is not ours; if this comes from the provider, set SEAL_KEY in every web process."
                refused.refuse(websocket.scope["path"], "This address of the relay is not ours.", advice)
        except HTTPException as error:
            await websocket.send_denial_response(PlainTextResponse(f"{error.detail}\n", error.status_code))
            return
        except StoreUnavailable as error:
            await websocket.send_denial_response(PlainTextResponse(f"{error}\n", 503))
            return
        await websocket.accept()
        await serve(ingress, websocket, dialect.name, ticket)

    return endpoint


async def _read(request: Request, dialect: Dialect) -> tuple[bytes, FormData]:
    kind = media_type(request)
    if kind == FORM_TYPE:
        body = await read_body(request)
        return body, form_of(body)
    if kind == "application/json" and dialect.sends_json:
        body = await read_body(request)
        return body, _fields_of(body)
    raise HTTPException(415, f"Send a form ({FORM_TYPE}).")


def _fields_of(body: bytes) -> FormData:
    try:
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(fields, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    return FormData([(_clean(name), _clean(value)) for name, value in fields.items() if isinstance(value, str)])


def _clean(text: str) -> str:
    """Return the text without halves of surrogate pairs, which JSON can spell and nothing can store."""
    return text.encode("utf-8", "replace").decode()
