"""How many turns of each tenant run in a worker."""

from orchestrator.turns.redis.lane import Running


class RunningTenants:
    """Counts the turns that run here, by tenant."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def number(self, tenant: str) -> int:
        """Return how many turns of the tenant run."""
        return self._counts.get(tenant, 0)

    @property
    def running(self) -> Running:
        """Return all of them."""
        return Running(dict(self._counts))

    def began(self, tenant: str) -> None:
        """Count one more."""
        self._counts[tenant] = self._counts.get(tenant, 0) + 1

    def ended(self, tenant: str) -> None:
        """Count one less."""
        if (left := self._counts.pop(tenant, 0) - 1) > 0:
            self._counts[tenant] = left
