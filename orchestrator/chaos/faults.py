"""What befalls the deployment: the plan, which is the same for the same seed, and what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal, get_args

Kind = Literal["kill", "freeze", "roll", "cut"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST_FREEZE_SECONDS = 6.0
"""Longer than a lease lasts, so that turns are taken over; shorter than a supervisor waits before it kills."""
SHORTEST_FREEZE_SECONDS = 0.5
LONGEST_PAUSE = 3
"""The longest pause between two faults, in means."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come: `after` so many seconds; to whom (0 to 1, along the list of processes), for how long."""

    kind: Kind
    after: float
    whom: float
    seconds: float


def plan(chance: Random, kinds: Sequence[Kind], *, seconds: float, every: float) -> Iterator[Planned]:
    """Yield the faults of so many seconds, one `every` so many on average."""
    at = 0.0
    while True:
        pause = min(chance.expovariate(1 / every), LONGEST_PAUSE * every)
        kind, whom = chance.choice(kinds), chance.random()
        frozen = chance.uniform(SHORTEST_FREEZE_SECONDS, LONGEST_FREEZE_SECONDS)
        at += pause
        if at > seconds:
            return
        yield Planned(kind, pause, whom, frozen)


@dataclass(frozen=True, slots=True)
class Victim:
    """The process of a fault, as it reported itself."""

    id: str
    role: str
    host: str
    pid: int
    version: str = ""

    def __str__(self) -> str:
        return f"{self.role} {self.pid} ({self.id[:8]})"


@dataclass(slots=True)
class Fault:
    """A fault that was. Times are Unix seconds; `until` is when its cause was over: the process has another in its
    place, or runs again.

    `seconds` is how long a process is frozen, `connections` how many were cut.
    `calls` noticed it, and the one that did most waited `worst_ms` longer.
    """

    kind: Kind
    at: float
    victim: Victim | None = None
    until: float | None = None
    seconds: float = 0.0
    connections: int = 0
    calls: list[str] = field(default_factory=list)
    worst_ms: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return it, ready for JSON."""
        victim = self.victim
        return {
            "kind": self.kind,
            "at": iso(self.at),
            "until": None if self.until is None else iso(self.until),
            "process": None if victim is None else {
                "id": victim.id, "role": victim.role, "host": victim.host, "pid": victim.pid,
                "version": victim.version,
            },
            "connections": self.connections,
            "calls": self.calls,
            "worst_ms": round(self.worst_ms),
        }  # fmt: skip

    def __str__(self) -> str:
        match self.kind:
            case "kill":
                return f"{self.victim} killed"
            case "roll":
                return f"{self.victim} told to leave (SIGTERM)"
            case "freeze":
                return f"{self.victim} frozen for {self.seconds:.1f} s"
            case "cut":
                return f"{self.connections} connections to Redis cut"


def iso(at: float) -> str:
    """Return a time (Unix seconds) as the API writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
