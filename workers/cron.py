"""The cron jobs. arq runs each on one worker at a time, at whole seconds of the minute."""

import logging
import time
from typing import Any

from arq.cron import CronJob, cron

from orchestrator.conversation.actions import Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, StoreUnavailable, TurnRejected, UnknownCall, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.errors import store_errors
from workers.office import Office

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 120
ABANDONED_AFTER_SECONDS = 900
LAST_CHANCE_SECONDS = 180
"""A few rounds of this cron job."""
MOST_CALLS = 500


async def clean_up(ctx: dict[Any, Any]) -> int:
    """Drop what expired calls left in the indexes; how many calls that were."""
    office: Office = ctx["office"]
    dropped = await office.states.cleanup_expired()
    if dropped:
        logger.info("Cleaned up after %d expired calls", dropped, extra={"action": "cron.clean_up"})
    return dropped


async def heartbeat(ctx: dict[Any, Any]) -> None:
    """Leave proof that the queue, the cron and a worker all work."""
    with store_errors():
        await ctx["redis"].set(keys.HEARTBEAT, time.time(), ex=HEARTBEAT_SECONDS)


async def end_abandoned(ctx: dict[Any, Any]) -> int:
    """End calls of which nothing was heard for long: their status callback never came. How many were ended."""
    office: Office = ctx["office"]
    life = office.store.life_ms / 1000
    ended = 0
    for call_sid in await _idle_calls(office, _patience(life)):
        try:
            state = await office.states.get_state(call_sid)
            if state is None or not _is_abandoned(state, life):
                continue
            await office.store.submit(Turn(turn_id="ended", call_sid=call_sid, kind="ended", text="abandoned"))
        except (UnknownCall, CallEnded, TurnRejected, UnreadableState):
            continue
        except StoreUnavailable:
            break
        ended += 1
        logger.info("An abandoned call is ended", extra={"action": "cron.abandoned", "call_sid": call_sid})
    return ended


async def _idle_calls(office: Office, patience: float) -> list[str]:
    """Calls that nobody has written to for `patience` seconds: their entries in the index expire that much sooner."""
    if office.store.states is not None:  # kept elsewhere, where only the states themselves tell
        return await office.states.get_all_call_sids()
    redis, life = office.store.redis, office.store.life_ms / 1000
    with store_errors():
        seconds, microseconds = await redis.time()
        now = seconds + microseconds / 1_000_000
        async with redis.pipeline(transaction=False) as pipe:
            for hub in office.store.hub.shards:
                pipe.zrangebyscore(hub.calls, f"({now}", now + life - patience, start=0, num=MOST_CALLS)
            found = await pipe.execute()
    return [call_sid.decode() for idle in found for call_sid in idle]


def _patience(life: float) -> float:
    """How long a call may be silent. Less than its state lives, or it would expire without a record of its end."""
    return min(ABANDONED_AFTER_SECONDS, life / 2)


def _is_abandoned(state: ConversationState, life: float) -> bool:
    """Whether the call was silent for too long. One that was connected with a person is, until shortly before its
    state expires: nobody tells us how they get on."""
    patience = _patience(life)
    if state.turns and any(isinstance(action, Transfer) for action in state.turns[-1].reply.actions):
        patience = max(patience, life - LAST_CHANCE_SECONDS)
    return state.is_active and time.time() - state.updated_at.timestamp() >= patience


CRON_JOBS: list[CronJob] = [
    cron(heartbeat, second={0, 30}, timeout=10, max_tries=1),
    cron(clean_up, second=10, timeout=30, max_tries=1),
    cron(end_abandoned, second=20, timeout=50, max_tries=1),
]
