"""Which callers noticed which fault, and by how much: each turn's wait against those of the calm before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.chaos.faults import Fault
from orchestrator.load.results import CallNote, TurnNote
from orchestrator.load.summary import percentiles

NOTICEABLE_SECONDS = 0.5
"""A caller notices a pause that is so much longer than nearly all are."""
AFTERMATH_SECONDS = 3.0
"""For so long after a fault a wait may be its doing."""


Blamed = Mapping[tuple[str, str], set[str]]
"""Call and words of a turn → the processes whose fault it survived, as its record says."""
NOBODY: Blamed = {}


@dataclass(frozen=True, slots=True)
class Waits:
    """How long callers waited for the first words (seconds), in the calm and while faults came."""

    calm: list[float]
    under_faults: list[float]

    @property
    def usual(self) -> dict[str, float]:
        """Return the percentiles of the calm; without any, of all."""
        return percentiles(self.calm or self.under_faults or [0.0])


def waits_of(calls: Iterable[CallNote], calm_until: float) -> Waits:
    """Return the waits of all turns. Times here are those of `time.perf_counter`."""
    turns = [turn for call in calls for turn in call.turns if turn.first_words is not None]
    calm = [turn.first_words or 0.0 for turn in turns if turn.began + (turn.first_words or 0.0) <= calm_until]
    return Waits(calm, [turn.first_words or 0.0 for turn in turns if turn.began > calm_until])


def attribute(
    calls: Iterable[CallNote], faults: Sequence[Fault], waits: Waits, offset: float, blamed: Blamed = NOBODY
) -> int:
    """Note at each fault the calls that noticed it. Return how many turns were late without any fault.

    `offset` is what to add to the time of `time.perf_counter` for Unix seconds.
    """
    unexplained = 0
    usual = waits.usual
    for call in calls:
        for turn in call.turns:
            waited = turn.first_words or 0.0
            if waited <= usual["p95"] + NOTICEABLE_SECONDS:
                continue
            told = blamed.get((call.call_sid, turn.words), set())
            of_those = [fault for fault in faults if fault.victim is not None and fault.victim.id in told]
            fault = _cause(turn, waited, of_those, offset) or _cause(turn, waited, faults, offset)
            if fault is None:
                unexplained += 1
                continue
            if call.call_sid not in fault.calls:
                fault.calls.append(call.call_sid)
            fault.worst_ms = max(fault.worst_ms, 1000 * (waited - usual["p50"]))
    return unexplained


def _cause(turn: TurnNote, waited: float, faults: Sequence[Fault], offset: float) -> Fault | None:
    """Return the fault that lay over the wait for the longest time."""
    began = turn.began + offset
    overlaps = [(_overlap(fault, began, began + waited), -number) for number, fault in enumerate(faults)]
    longest, number = max(overlaps, default=(0.0, 0))
    return faults[-number] if longest > 0 else None


def _overlap(fault: Fault, began: float, ended: float) -> float:
    until = (fault.at if fault.until is None else fault.until) + AFTERMATH_SECONDS
    return min(ended, until) - max(began, fault.at)
