"""Timings of turns that become known after their commit. The next turn of the call takes them to the store.

They are kept here until the store has that turn. So those of a call's last turn are lost if another process learns that
the call is over, and those of a reply that ends the call, because no turn follows it.
"""

from collections import OrderedDict

from orchestrator.conversation.timings import Timings
from orchestrator.conversation.turn import Turn

MOST_CALLS = 10_000
MOST_TURNS = 16
"""Of one call: more turns than can be answered before the next one is stored."""


class LateTimings:
    """The timings that this process knows and the store does not: of `MOST_CALLS` calls, `MOST_TURNS` turns each."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, OrderedDict[str, Timings]] = OrderedDict()

    def note(self, turn: Turn, stage: str, milliseconds: float) -> None:
        """Note that `turn` has reached `stage` after so many milliseconds."""
        turns = self._calls.setdefault(turn.call_sid, OrderedDict())
        turns.setdefault(turn.turn_id, {}).setdefault(stage, milliseconds)
        if len(turns) > MOST_TURNS:
            turns.popitem(last=False)
        if len(self._calls) > MOST_CALLS:
            self._calls.popitem(last=False)

    def sent_with(self, turn: Turn) -> Turn:
        """Return `turn` with the timings of earlier turns of its call, to be submitted."""
        known = self._calls.get(turn.call_sid)
        late = {turn_id: dict(timings) for turn_id, timings in (known or {}).items() if turn_id != turn.turn_id}
        return turn.model_copy(update={"late_timings": late}) if late else turn

    def stored(self, turn: Turn) -> None:
        """Forget the timings that `turn` has brought to the store, but not what has become known since."""
        turns = self._calls.get(turn.call_sid)
        if turns is None:
            return
        for turn_id, stages in turn.late_timings.items():
            left = {stage: ms for stage, ms in turns.get(turn_id, {}).items() if stage not in stages}
            if left:
                turns[turn_id] = left
            else:
                turns.pop(turn_id, None)
        if not turns:
            del self._calls[turn.call_sid]

    def forget(self, call_sid: str) -> None:
        """Forget the call: no turn of it will be stored any more."""
        self._calls.pop(call_sid, None)
