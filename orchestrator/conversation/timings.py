"""When a turn reached its stages: milliseconds since its ingress received it, in tenths, by the server's clock.

| stage | reached when |
|---|---|
| `submitted` | the ingress sent the submit that stored the turn |
| `claimed` | whoever runs the turn had the grant of its call |
| `first_token` | the agent's first text or action came |
| `finished` | the agent ended: by itself, by an error, at its deadline, or because it was stopped |
| `committed` | the commit was sent, for the first time if it had to be repeated |
| `first_sent` | the first words were sent over the relay's socket |
| `first_heard` | the provider began to speak them, as it reports |

A stage that a turn did not reach is not there: no agent runs for a turn that is dropped. The first five are those of
the run that was committed. They are never negative and never decrease in this order: where a clock was set back between
two stages, or those of two machines differ, a stage counts as reached together with the one before it. The last two
become known after the commit; the next turn of the call brings them.
"""

from collections.abc import Mapping

Timings = dict[str, float]

SUBMITTED, CLAIMED, FIRST_TOKEN, FINISHED, COMMITTED = "submitted", "claimed", "first_token", "finished", "committed"
FIRST_SENT, FIRST_HEARD = "first_sent", "first_heard"


def milliseconds_since(received_at: float, at: float) -> float:
    """Return how long after `received_at` the moment `at` was (both in Unix seconds); 0 if it was before."""
    tenths = int((at - received_at) * 10_000 + 0.5)  # rounded; `round` takes as long as all the rest
    return tenths / 10 if tenths > 0 else 0.0


def timings_of(received_at: float, submitted: float | None, *moments: tuple[str, float | None]) -> Timings:
    """Return the timings of a turn that was `submitted` after so many milliseconds.

    `moments` are the later stages in their order, each with when it was reached (Unix seconds), or None.
    """
    timings: Timings = {}
    latest = 0.0
    if submitted is not None and submitted >= 0:
        timings[SUBMITTED] = latest = submitted
    for stage, at in moments:
        if at is not None:
            after = milliseconds_since(received_at, at)
            if after > latest:
                latest = after
            timings[stage] = latest
    return timings


def with_late(timings: Timings, late: Mapping[str, float]) -> Timings:
    """Return `timings` with what has become known since the commit. What is known already stays."""
    return {**timings, **{stage: ms for stage, ms in late.items() if stage not in timings}}


def stage_seconds(timings: Mapping[str, float], answered: float | None = None) -> dict[str, float]:
    """Return how long each stage of a turn took, in seconds, of those whose beginning and end are known.

    | stage | from | to |
    |---|---|---|
    | `submit` | received | `submitted` |
    | `queue` | `submitted` | `claimed` |
    | `first_token` | `claimed` | `first_token` |
    | `agent` | `claimed` | `finished` |
    | `commit` | `finished`; `claimed` if no agent ran | `committed` |
    | `answer` | `committed` | `answered`, when the caller got the reply (ms) |
    """
    submitted, claimed, committed = timings.get(SUBMITTED), timings.get(CLAIMED), timings.get(COMMITTED)
    first_token, finished = timings.get(FIRST_TOKEN), timings.get(FINISHED)
    seconds = {}
    if submitted is not None:
        seconds["submit"] = submitted / 1000
    if claimed is not None:
        if submitted is not None:
            seconds["queue"] = (claimed - submitted) / 1000
        if first_token is not None:
            seconds["first_token"] = (first_token - claimed) / 1000
        if finished is not None:
            seconds["agent"] = (finished - claimed) / 1000
        if committed is not None:
            seconds["commit"] = (committed - (claimed if finished is None else finished)) / 1000
    if committed is not None and answered is not None:
        seconds["answer"] = max(answered - committed, 0.0) / 1000
    return seconds
