"""One route: who answers the calls to a number."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import sha256

from orchestrator.routes.choice import Choice
from orchestrator.routes.hook import Hook
from orchestrator.routes.opening_hours import OpeningHours


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers the calls to `number`: `agent`, or one of `split`, each by its share.

    Outside of `hours`, in the time of `zone` (None: this machine's), `closed` answers, and no `hook` is asked. Its
    calls are of `tenant`; at most `max_calls` of `limited_as` at once.
    """

    number: str
    agent: str
    split: dict[str, float] = field(default_factory=dict)
    tenant: str = ""
    max_calls: int | None = None
    limited_as: str = ""
    hours: OpeningHours | None = None
    zone: tzinfo | None = None
    closed: str = ""
    hook: Hook | None = None

    def is_open(self, at: datetime) -> bool:
        """Return whether its hours have come."""
        return self.hours is None or self.hours.is_open(at.astimezone(self.zone))

    def choice(self, call_sid: str, at: datetime | None = None) -> Choice:
        """Return who answers the call of this SID, without the hook; without `at` as if it were always open."""
        agent = self.closed if at is not None and not self.is_open(at) else self._drawn(call_sid)
        return Choice(agent, self.tenant, self.max_calls, self.limited_as)

    def _drawn(self, call_sid: str) -> str:
        """Return the agent of the split that has the call: the same in every process and at any time."""
        if not self.split:
            return self.agent
        share = int.from_bytes(sha256(f"route:{call_sid}".encode(errors="replace")).digest()[:8]) / 2**64
        left = share * sum(self.split.values())
        for agent, weight in self.split.items():
            left -= weight
            if left < 0:
                return agent
        return next(agent for agent in reversed(self.split) if self.split[agent])  # what rounding has left over
