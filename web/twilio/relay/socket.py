"""`WS /twilio/relay`: a socket from its upgrade to its end."""

import asyncio
import logging
from dataclasses import replace
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from web.ingress import Ingress, ingress_of
from web.twilio.relay.admission import refusal_of
from web.twilio.relay.connection import RelayConnection
from web.twilio.relay.inbound_frames import Dtmf, Inbound, Malformed, Prompt, Setup, read
from web.twilio.relay.session import RelaySession

logger = logging.getLogger(__name__)

SETUP_SECONDS = 10.0
ADMISSION_SECONDS = 30.0
"""For the ticket's key, the count of documents, and one ping of the socket before."""
MOST_FRAMES_BEFORE_SETUP = 20
MOST_WORDS_BEFORE_SETUP = 500
"""So many events a provider keeps for a socket that comes back; in which order it sends them, it does not say."""
MOST_CHARACTERS_BEFORE_SETUP = 256_000
POLICY_VIOLATION = 1008


async def relay(websocket: WebSocket) -> None:
    """Refuse what is not signed, before accepting; then hold the connection."""
    ingress = ingress_of(websocket)
    try:
        ingress.signatures.check_upgrade(websocket)
    except HTTPException as error:
        await websocket.send_denial_response(PlainTextResponse(f"{error.detail}\n", error.status_code))
        return
    await websocket.accept()
    await hold(ingress, websocket, "twilio")


async def hold(ingress: Ingress, websocket: WebSocket, provider: str, ticket: str | None = None) -> None:
    """Until the peer leaves or the connection is closed: also when no setup comes in time, or one that may not
    begin a session. `ticket` is the one in the socket's address, if there is one."""
    connection: RelayConnection | None = None
    try:
        async with asyncio.timeout(SETUP_SECONDS) as limit:
            connection = RelayConnection(websocket, limit)
            setup, early = await _setup(websocket)
            if setup is None:
                connection.close_code, connection.close_reason = POLICY_VIOLATION, "the first frame must be a setup"
            elif not connection.close_reason:
                limit.reschedule(asyncio.get_running_loop().time() + ADMISSION_SECONDS)
                session = await _begun(ingress, connection, setup, provider, ticket)
                if session is not None:
                    limit.reschedule(None)
                    await _talk(session, early, ingress, websocket)
    except TimeoutError:
        if connection is not None and not connection.close_reason:
            connection.close_code, connection.close_reason = POLICY_VIOLATION, "no session could begin in time"
    except WebSocketDisconnect:
        pass
    if connection is not None:
        await connection.close()
        await connection.parted()


async def _setup(websocket: WebSocket) -> tuple[Setup | None, list[Inbound]]:
    """The setup, and what the caller said before it came. Other frames are ignored; too many of either, and there is no
    setup."""
    early: list[Inbound] = []
    others = characters = 0
    while others < MOST_FRAMES_BEFORE_SETUP and len(early) <= MOST_WORDS_BEFORE_SETUP:
        frame = await _frame(websocket)
        if isinstance(frame, Setup):
            named = frame if frame.session_id else replace(frame, session_id=uuid4().hex)
            return named, early
        if isinstance(frame, Prompt | Dtmf):
            early.append(frame)
            characters += len(frame.text) if isinstance(frame, Prompt) else 1
        else:
            others += 1
            logger.debug("A frame came before the setup: %s", type(frame).__name__)
        if characters > MOST_CHARACTERS_BEFORE_SETUP:
            break
    return None, []


async def _begun(
    ingress: Ingress, connection: RelayConnection, setup: Setup, provider: str, ticket: str | None
) -> RelaySession | None:
    """The session, known to the registry; None if it must not begin."""
    async with ingress.sessions.entrance(setup.call_sid):
        why_not = await refusal_of(ingress, setup, provider, ticket)
        if why_not:
            connection.close_code, connection.close_reason = POLICY_VIOLATION, why_not
            return None
        session = RelaySession(ingress, connection, setup)
        ingress.sessions.enter(session, connection)
        return session


async def _talk(session: RelaySession, early: list[Inbound], ingress: Ingress, websocket: WebSocket) -> None:
    extra = {"action": "relay.connected", "call_sid": session.call_sid}
    logger.info("A relay session has begun", extra=extra)
    try:
        for frame in early:
            session.hear(frame)
        while True:
            session.hear(await _frame(websocket))
    finally:
        try:
            await session.close()
        finally:
            ingress.sessions.leave(session)
        logger.info("A relay session has ended", extra={**extra, "action": "relay.disconnected"})


async def _frame(websocket: WebSocket) -> Inbound:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    return read(text) if text is not None else Malformed("a binary frame")
