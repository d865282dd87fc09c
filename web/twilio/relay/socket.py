"""`WS /twilio/relay`: a socket from its upgrade to its end."""

import asyncio
import logging

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from web.ingress import Ingress, ingress_of
from web.twilio.relay.inbound import Inbound, Malformed, Setup, read
from web.twilio.relay.line import Line
from web.twilio.relay.talk import Session

logger = logging.getLogger(__name__)

SETUP_SECONDS = 10.0
MOST_FRAMES_BEFORE_SETUP = 20
POLICY_VIOLATION = 1008


async def relay(websocket: WebSocket) -> None:
    """Refuse what is not signed, before accepting; then hold the line."""
    ingress = ingress_of(websocket)
    try:
        ingress.signatures.check_upgrade(websocket)
    except HTTPException as error:
        await websocket.send_denial_response(PlainTextResponse(f"{error.detail}\n", error.status_code))
        return
    await websocket.accept()
    await hold(ingress, websocket)


async def hold(ingress: Ingress, websocket: WebSocket) -> None:
    """Until the peer leaves or the line is given up. No setup in time gives it up, too."""
    line: Line | None = None
    try:
        async with asyncio.timeout(SETUP_SECONDS) as limit:
            line = Line(websocket, limit)
            setup = await _setup(websocket)
            if setup is None:
                line.close_code, line.close_reason = POLICY_VIOLATION, "the first frame must be a setup"
            elif not line.close_reason:
                limit.reschedule(None)
                await _talk(Session(ingress, line, setup), ingress, websocket)
    except TimeoutError:
        if line is not None and not line.close_reason:
            line.close_code, line.close_reason = POLICY_VIOLATION, f"no setup within {SETUP_SECONDS:g} s"
    except WebSocketDisconnect:
        return
    if line is not None:
        await line.close()


async def _setup(websocket: WebSocket) -> Setup | None:
    """The setup. Frames that come before it are ignored, if they are not too many."""
    for _ in range(MOST_FRAMES_BEFORE_SETUP):
        frame = await _frame(websocket)
        if isinstance(frame, Setup):
            return frame
        logger.debug("A frame came before the setup: %s", type(frame).__name__)
    return None


async def _talk(session: Session, ingress: Ingress, websocket: WebSocket) -> None:
    extra = {"action": "relay.connected", "call_sid": session.call_sid}
    logger.info("A relay session has begun", extra=extra)
    ingress.relay.enter(session)
    try:
        while True:
            session.hear(await _frame(websocket))
    finally:
        ingress.relay.leave(session)
        await session.close()
        logger.info("A relay session has ended", extra={**extra, "action": "relay.disconnected"})


async def _frame(websocket: WebSocket) -> Inbound:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    return read(text) if text is not None else Malformed("a binary frame")
