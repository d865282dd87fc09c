"""What the supervisor is told, as one JSON argument: it reads no settings itself. Standard library only."""

import json
from collections.abc import Sequence
from typing import NamedTuple


class Plan(NamedTuple):
    """What to run, and how long to wait for it."""

    processes: int
    sockets: list[int]
    """The file descriptors of the listening sockets, which the supervisor and all processes share."""
    drain_seconds: float
    """How long a process may drain: `DRAIN_DELAY_SECONDS` and `DRAIN_TIMEOUT_SECONDS`."""
    log_level: str = "INFO"
    log_format: str = "text"
    python: Sequence[str] = ()
    """The interpreter's options, such as `-W error`."""
    hung_seconds: float = 10.0
    """A process that sends no heartbeat for so long is killed."""
    start_seconds: float = 120.0
    """The same for one that starts. It waits 10 s for Redis, and imports the agent."""

    def as_argument(self) -> str:
        """Return the plan in JSON."""
        return json.dumps(self._asdict())


def plan_from(argument: str) -> Plan:
    """Return the plan that `as_argument` wrote."""
    return Plan(**json.loads(argument))
