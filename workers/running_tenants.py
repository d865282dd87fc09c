"""How many turns of each tenant run in a worker."""

from collections import Counter

from orchestrator.turns.redis.lane import Running


class RunningTenants:
    """Counts the turns that run here, by tenant."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def number(self, tenant: str) -> int:
        """Return how many turns of the tenant run."""
        return self._counts[tenant]

    @property
    def running(self) -> Running:
        """Return all of them."""
        return Running(dict(self._counts))

    def began(self, tenant: str) -> None:
        """Count one more."""
        self._counts[tenant] += 1

    def ended(self, tenant: str) -> None:
        """Count one less."""
        self._counts[tenant] -= 1
        if self._counts[tenant] <= 0:
            del self._counts[tenant]
