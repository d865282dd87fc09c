"""`WS /twilio/relay`: one WebSocket, from its upgrade to its end."""

import asyncio
import logging
from dataclasses import replace
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from web.agent_choice import without_hook
from web.ingress import Ingress, ingress_of
from web.twilio.relay.admission import decision_on
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.inbound_frames import Dtmf, InboundFrame, Malformed, Prompt, Setup, read_frame
from web.twilio.relay.session import RelaySession

logger = logging.getLogger(__name__)

ADMISSION_SECONDS = 30.0
"""For reading the ticket's key, entering its document, and one ping of the earlier socket."""
MAX_FRAMES_BEFORE_SETUP = 20
MAX_EVENTS_BEFORE_SETUP = 500
"""A provider keeps this many for a socket that comes back. It does not document in which order it sends them."""
MAX_CHARACTERS_BEFORE_SETUP = 256_000
POLICY_VIOLATION = 1008


async def relay(websocket: WebSocket) -> None:
    """Refuse an upgrade without a valid signature before accepting it; then serve the session."""
    ingress = ingress_of(websocket)
    try:
        ingress.signatures.check_upgrade(websocket)
    except HTTPException as error:
        await websocket.send_denial_response(PlainTextResponse(f"{error.detail}\n", error.status_code))
        return
    await websocket.accept()
    await serve(ingress, websocket, "twilio")


async def serve(ingress: Ingress, websocket: WebSocket, provider: str, ticket: str | None = None) -> None:
    """Serve an accepted socket until either side closes it. `ticket` is the one in the socket's address, if any.

    The socket is also closed if no setup comes in time, or the session is not admitted.
    """
    connection: RelayConnection | None = None
    try:
        async with asyncio.timeout(ingress.timeouts.relay.setup) as limit:
            connection = RelayConnection(websocket, limit, write_seconds=ingress.timeouts.relay.write)
            setup, early = await _read_setup(websocket)
            if setup is None:
                connection.close_code, connection.close_reason = POLICY_VIOLATION, "the first frame must be a setup"
            elif not connection.close_reason:
                limit.reschedule(asyncio.get_running_loop().time() + ADMISSION_SECONDS)
                session = await _admit(ingress, connection, setup, provider, ticket)
                if session is not None:
                    limit.reschedule(None)
                    await _run(session, early, ingress, websocket)
    except TimeoutError:
        if connection is not None and not connection.close_reason:
            connection.close_code, connection.close_reason = POLICY_VIOLATION, "no session could begin in time"
    except WebSocketDisconnect:
        pass
    if connection is not None:
        await connection.send_close()
        await connection.wait_closed()


async def _read_setup(websocket: WebSocket) -> tuple[Setup | None, list[InboundFrame]]:
    """Return the setup, and what the caller said before it came; None as the setup after too many other frames."""
    early: list[InboundFrame] = []
    others = characters = 0
    while others < MAX_FRAMES_BEFORE_SETUP and len(early) <= MAX_EVENTS_BEFORE_SETUP:
        frame = await _receive(websocket)
        if isinstance(frame, Setup):
            identified = frame if frame.session_id else replace(frame, session_id=uuid4().hex)
            return identified, early
        if isinstance(frame, Prompt | Dtmf):
            early.append(frame)
            characters += len(frame.text) if isinstance(frame, Prompt) else 1
        else:
            others += 1
            logger.debug("Ignored a frame before the setup: %s", type(frame).__name__)
        if characters > MAX_CHARACTERS_BEFORE_SETUP:
            break
    return None, []


async def _admit(
    ingress: Ingress, connection: RelayConnection, setup: Setup, provider: str, ticket: str | None
) -> RelaySession | None:
    """Return the session, which the registry knows then; None if it must not begin."""
    async with ingress.sessions.lock(setup.call_sid):
        decision = await decision_on(ingress, setup, provider, ticket)
        if decision.why_not:
            connection.close_code, connection.close_reason = POLICY_VIOLATION, decision.why_not
            return None
        connection.instead_of = decision.before
        choice = decision.ticket.choice if decision.ticket is not None else None
        if choice is None:  # an ingress of an older version answered the call
            choice = without_hook(ingress.routes, setup.to_number, setup.call_sid)
        ticket_shown = decision.ticket
        first_turn = ticket_shown.first_turn if ticket_shown is not None else None
        lost_document = ticket_shown.document if ticket_shown is not None and decision.goes_on else None
        if lost_document is not None:
            await ingress.sessions.taken_over(setup.call_sid)
        awaits_sensitive = ticket_shown is not None and ticket_shown.sensitive
        session = RelaySession(
            ingress, connection, setup, choice, first_turn, lost_document, awaits_sensitive=awaits_sensitive
        )
        ingress.sessions.add(session, connection)
        return session


async def _run(session: RelaySession, early: list[InboundFrame], ingress: Ingress, websocket: WebSocket) -> None:
    extra = {"action": "relay.connected", "call_sid": session.call_sid}
    logger.info("A relay session has begun", extra=extra)
    try:
        for frame in early:
            session.on_frame(frame)
        while True:
            session.on_frame(await _receive(websocket))
    finally:
        try:
            await session.finish()
        finally:
            ingress.sessions.remove(session)
        logger.info("A relay session has ended", extra={**extra, "action": "relay.disconnected"})


async def _receive(websocket: WebSocket) -> InboundFrame:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    return read_frame(text) if text is not None else Malformed("a binary frame")
