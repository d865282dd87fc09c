"""Which of a shard's queues a call belongs to, and which of them a worker takes from (lua/include/call_lane.lua)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lane:
    """What decides the lane of a call: the version that it is pinned to, "" for none, and its tenant, "" for none."""

    version: str = ""
    tenant: str = ""


ANYONES = Lane()


@dataclass(frozen=True, slots=True)
class Taker:
    """What a worker takes: calls of its `version`, and those that are anyone's. With `pins` they become its version's.

    It runs at most `most_of_tenant` turns of one tenant at once; None: any number.
    """

    version: str = ""
    pins: bool = True
    most_of_tenant: int | None = None

    @property
    def pin(self) -> str:
        """The version that a call which it takes is pinned to; "" leaves it as it is."""
        return self.version if self.pins else ""


@dataclass(frozen=True, slots=True)
class Running:
    """How many turns of each tenant a worker runs."""

    turns: Mapping[str, int] = field(default_factory=dict)

    @property
    def args(self) -> list[str | int]:
        """Return them as scripts take them."""
        return [part for tenant, number in self.turns.items() for part in (tenant, number)]


NO_TAKER = Taker()
NOTHING_RUNS = Running()
