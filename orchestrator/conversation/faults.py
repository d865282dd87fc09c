"""What a turn has survived: the faults that its record names, each with how much longer the turn took.

| fault | what happened |
|---|---|
| `worker_lost` | its worker stopped renewing the lease, so another one ran the turn again: it died, or stood still |
| `lease_lost` | its own worker had lost the lease meanwhile, and was granted it again |
| `tried_again` | an earlier attempt ended without a reply: its agent's process died, or the worker could not run it |
| `held` | the ingress could not hand the turn over at once: Redis was away, or the ingress stood still |
| `redis_outage` | its reply was there, and had to wait until Redis took it |

Other versions of the program may write other names.
"""

from pydantic import BaseModel, ConfigDict

HELD_AFTER_MS = 500.0
"""A turn that is submitted so long after it came was held: without a fault that takes a few milliseconds."""
MOST_FAULTS = 8
"""Of one turn. A later one of the same kind is added to the first."""
LONGEST_NAME = 64
"""Characters of the name of a process: others can write to Redis, where it was read."""

WORKER_LOST, LEASE_LOST, TRIED_AGAIN, HELD = "worker_lost", "lease_lost", "tried_again", "held"
REDIS_OUTAGE = "redis_outage"


class Fault(BaseModel):
    """A fault that a turn has survived. `process` is whose fault it was, as far as that is known; `lost_ms` is how much
    longer the turn took because of it."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    fault: str
    process: str = ""
    lost_ms: float = 0.0


def with_fault(absorbed: list[Fault], fault: Fault) -> list[Fault]:
    """Return the faults with another one; of the same kind and process they are one, which lost the longest time."""
    for place, known in enumerate(absorbed):
        if (known.fault, known.process) == (fault.fault, fault.process):
            longer = known.model_copy(update={"lost_ms": max(known.lost_ms, fault.lost_ms)})
            return [*absorbed[:place], longer, *absorbed[place + 1 :]]
    return [*absorbed, fault] if len(absorbed) < MOST_FAULTS else absorbed
