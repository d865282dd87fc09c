"""The audit of the history: it has counted the turns and calls of all states, but for what may be lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from soak.shown import Json, Polled
from soak.spans import Span, is_troubled, troubled
from soak.verdict import Verdict
from support.lives import Life

UNSENT_SECONDS = 12.0
"""What a process has counted is sent each ten seconds; the last counts of one that is killed are lost."""
FAILOVER_SECONDS = 12.0
"""For so long after a master has died another one takes over: until then what is added may be lost."""
LOOKED_BACK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What the history may lack: the last counts of `lives` that were killed or left while Redis was away, and what was
    counted around `failovers`. `pids` are those of the processes by their ids, `troubles` those of the way to Redis."""

    lives: Sequence[Life]
    pids: Mapping[str, int]
    troubles: Sequence[Span]
    failovers: Sequence[Span]
    counted_at: float

    def may_lack(self, record: Json) -> bool:
        """Return whether the turn of this record may be missing."""
        at, pid = _seconds(record["committed_at"]), self.pids.get(record.get("worker", ""))
        if record["outcome"] == "dropped" or record["kind"] == "ended" or not record.get("worker"):
            return True
        if at >= self._unsent_since(self.counted_at):
            return True
        if record.get("absorbed") and is_troubled(self.troubles, at - 1, at + 1):
            return True  # the answer to its commit may have been lost
        if any(began - UNSENT_SECONDS <= at <= min(ended, began + FAILOVER_SECONDS) for began, ended in self.failovers):
            return True
        life = next((it for it in self.lives if it.pid == pid), None)
        if life is None:  # it was killed before it was seen
            return True
        if life.killed_at is not None:
            return at >= self._unsent_since(life.killed_at)
        if life.ended_at is None or not is_troubled(self.troubles, (life.asked_at or life.ended_at) - 1, life.ended_at):
            return False
        return at >= self._unsent_since(life.ended_at)

    def _unsent_since(self, moment: float) -> float:
        return moment - UNSENT_SECONDS - troubled(self.troubles, moment - LOOKED_BACK_SECONDS, moment)


def audit_history(polled: Polled, states: Mapping[str, Json], losses: Losses, verdict: Verdict) -> None:
    """Compare the sums of its points with the `states` of all calls, also of those that nobody heard."""
    known = [state for state in states.values() if state["turns"]]
    turns = [record for state in known for record in state["turns"]]
    ended = [state for state in known if state["ended"] is not None]
    _compare("turns", polled, "turns", turns, losses, verdict)
    _compare("calls that began", polled, "calls_started", [it["turns"][0] for it in known], losses, verdict)
    _compare("calls that ended", polled, "calls_ended", [it["turns"][-1] for it in ended], losses, verdict)


def _compare(what: str, polled: Polled, name: str, records: Sequence[Json], losses: Losses, verdict: Verdict) -> None:
    counted = sum(point[name] for point in polled.points.values())
    lacking = sum(losses.may_lack(record) for record in records)
    verdict.cockpit[f"history: {what}"] = counted
    verdict.cockpit[f"history: {what} that it may lack"] = lacking
    if not len(records) - lacking <= counted <= len(records):
        verdict.untrue.append(
            f"the history has counted {counted} {what}; there were {len(records)}, of which it may lack {lacking}"
        )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
