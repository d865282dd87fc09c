"""What the history has of turns and calls, counted where it happens.

No label is a name that users choose: what a minute may hold is bounded by the limits and stages below.
"""

from collections.abc import Mapping

from orchestrator.process_metrics.families import Counter, Histogram

LIMITS = tuple(
    round(step * 10.0**power, 6) for power in (-3, -2, -1, 0, 1)
    for step in (1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2)
)  # fmt: skip
"""Upper limits of the durations that are told apart (s): twelve for each factor of ten, so that a percentile is wrong
by a tenth at most. The last holds a caller who was held for as long as is allowed."""
TIMED = ("submitted", "claimed", "first_token", "finished", "committed")
"""Stages of `orchestrator.conversation.timings` that every run has."""
FIRST_WORD, REPLY = "first_word", "reply"
STAGES = (*TIMED, FIRST_WORD, REPLY)
_TIMED = tuple((stage, (stage,)) for stage in TIMED)

TURNS = Counter("turns", "Turns that were committed, by outcome.", ("outcome",))
CALLS = Counter("calls", "Calls whose first turn was committed, and calls that ended.", ("what",))
UNANSWERED = Counter("unanswered", "Turns whose caller was held until an apology.")
STAGE_SECONDS = Histogram("stage", "How long after its arrival a turn reached a stage.", ("stage",), limits=LIMITS)
COUNTED = (TURNS, CALLS, UNANSWERED, STAGE_SECONDS)


def turn_committed(outcome: str, timings: Mapping[str, float], *, begins: bool, ends: bool) -> None:
    """Count a turn whose commit was written. `begins` and `ends` say what it did to its call.

    `timings` (ms) are empty for a turn that nobody waited for.
    """
    TURNS.inc(outcome)
    if begins:
        CALLS.inc("started")
    if ends:
        CALLS.inc("ended")
    STAGE_SECONDS.observe_each([(timings[stage] / 1000, labels) for stage, labels in _TIMED if stage in timings])


def first_word_said(seconds: float) -> None:
    """Count how long a caller waited for the first word of a reply."""
    STAGE_SECONDS.observe(seconds, FIRST_WORD)


def turn_answered(seconds: float | None, *, is_unanswered: bool) -> None:
    """Count how long it took until a caller had all of a reply, if that is known, or was apologised to instead."""
    if is_unanswered:
        UNANSWERED.inc()
    if seconds is not None:
        STAGE_SECONDS.observe(seconds, REPLY)
