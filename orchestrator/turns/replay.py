"""Runs the turn of a dead letter again."""

import asyncio

from orchestrator.clock import utc_now
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.turns.dead_letter import DeadLetter, DeadLetterBox
from orchestrator.turns.store import TurnStore

POLL_SECONDS = 0.1


async def replay(
    letter: DeadLetter, store: TurnStore, box: DeadLetterBox, *, timeout_seconds: float
) -> TurnResult | None:
    """Run the turn of `letter` again. Return its result, or None when it has not come in `timeout_seconds`.

    The letter is discarded once the turn is answered, and kept when it fails again. Raises `UnknownCall` or
    `CallEnded` when there is no call left to run it in.
    """
    turn = letter.replay()
    result = await store.submit(turn) or await _result_of(turn, store, timeout_seconds)
    if result is None:
        return None
    if result.outcome == "replied":
        await box.discard(letter.key)
    else:
        again = {"dead_lettered_at": utc_now(), "reason": f"{letter.reason}; a replay ended as {result.outcome}"}
        await box.put(letter.model_copy(update=again))
    return result


async def _result_of(turn: Turn, store: TurnStore, timeout_seconds: float) -> TurnResult | None:
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                found = await store.find(turn.call_sid, turn.turn_id)
                if isinstance(found, TurnResult):
                    return found
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return None
