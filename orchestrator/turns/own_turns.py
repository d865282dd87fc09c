"""Submits the turns that no caller's words began: those that scheduled items bring."""

from orchestrator.conversation.turn import Turn
from orchestrator.errors import CallEnded, CallErased, UnknownCall
from orchestrator.turns.store import TurnStore


async def submit_own(store: TurnStore, turn: Turn) -> bool:
    """Put the turn into its call's inbox, once. Return False if the call is over: nobody waits for the turn then.

    Raise `StoreUnavailable`, or `TurnRejected` while too many turns wait.
    """
    try:
        await store.submit(turn)
    except (CallEnded, CallErased, UnknownCall):
        return False
    return True
