"""What all workers can do: an older one, during a deploy, cannot do everything that the newer ones can.

What a worker can do it says in its heartbeat. What one cannot do waits until that one is gone.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

SCHEDULE = "schedule"
"""The worker knows the turns that no caller's words began, and what actions write into the schedule of a call."""
DRAIN = "drain"
"""The worker drains when it is told so through Redis."""
FEATURES = (SCHEDULE, DRAIN)
"""What the workers of this version can do."""
KNOWN_SECONDS = 5.0
"""For how long it is taken as known that all workers can do something."""
LACKING_SECONDS = 1.0
"""When to look again after one was found that cannot."""


class WorkerFeatures:
    """Tells what living workers lack. It reads the list of workers every few seconds at most, and only when asked.

    `workers` returns what `orchestrator.health.workers.list_workers` does.
    """

    def __init__(self, workers: Callable[[], Awaitable[Iterable[Mapping[str, Any]]]]) -> None:
        self._workers = workers
        self._known: dict[str, tuple[float, bool]] = {}

    async def lack(self, feature: str) -> bool:
        """True if a living worker does not know the feature. Raise `StoreUnavailable`."""
        until, lacks = self._known.get(feature, (0.0, True))
        if time.monotonic() < until:
            return lacks
        lacks = any(not has_feature(worker, feature) for worker in await self._workers() if "lost" not in worker)
        self._known[feature] = time.monotonic() + (LACKING_SECONDS if lacks else KNOWN_SECONDS), lacks
        return lacks


def has_feature(worker: Mapping[str, Any], feature: str) -> bool:
    """True if the worker, by its status, knows the feature."""
    features = worker.get("features")
    return isinstance(features, list) and feature in features
