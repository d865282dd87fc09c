"""What those get who wait for a call that is erased: results that say goodbye, and the end of the turn that runs."""

from collections.abc import Iterable

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.turn import OWN_PREFIX, Turn

ERASED = f"{OWN_PREFIX}erased"
"""The id of the turn by which those who listen to a call hear that it was erased."""
GOODBYE = "Goodbye."


def ending_turn(call_sid: str) -> Turn:
    """Return the turn that stops whatever runs of the call: it is never stored."""
    return Turn(turn_id=ERASED, call_sid=call_sid, kind="ended")


def farewell_results(call_sid: str, waiting: Iterable[str], *, is_phone: bool) -> list[TurnResult]:
    """Return a result for each turn that waits; on the phone a goodbye, also for whoever has the caller on the line."""
    if not is_phone:
        return [TurnResult(call_sid=call_sid, turn_id=turn_id, outcome="dropped") for turn_id in waiting]
    reply = Reply(text=GOODBYE, actions=[HangUp(reason="erased")])
    said = TurnResult(call_sid=call_sid, turn_id=ERASED, outcome="replied", reply=reply, interrupt=True)
    return [said, *(said.model_copy(update={"turn_id": turn_id, "interrupt": False}) for turn_id in waiting)]
