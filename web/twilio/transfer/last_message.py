"""A caller who hangs up after their message: the call must not end before the recording has come.

The webhooks of both may come in any order, and an ended call takes no turn.
"""

import asyncio
import time

from orchestrator.conversation.absence import leaving_of, left_by
from orchestrator.conversation.actions import Record
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import StoreUnavailable, UnreadableState
from web.ingress import Ingress
from web.store_call import store_call
from web.twilio.known_call import READ_SECONDS, KnownCall
from web.twilio.transfer.way_back import RETURNED
from web.twilio.turn_ids import number_of

POLL_SECONDS = 0.2


async def wait_for_message(ingress: Ingress, call_sid: str) -> None:
    """Return once the message that the caller leaves has come, if they do; after `Timeouts.message` at the latest."""
    end = time.monotonic() + ingress.timeouts.message
    try:
        state = await store_call(ingress.runtime.states.get_state(call_sid), READ_SECONDS)
        if state is None or not _leaves_message(state):
            return
        while not await _has_come(ingress, call_sid) and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)
    except (StoreUnavailable, UnreadableState):
        return


def _leaves_message(state: ConversationState) -> bool:
    record = left_by(state) if state.ended is None else None
    return record is not None and isinstance(leaving_of(record), Record)


async def _has_come(ingress: Ingress, call_sid: str) -> bool:
    known = await KnownCall.read(ingress, call_sid)
    if known is None or not _leaves_message(known.state):
        return True
    return any(turn_id.startswith(RETURNED) or number_of(turn_id) is not None for turn_id in known.waiting)
