"""Calls whose end was reported before their beginning: the provider does not guarantee the order of its webhooks.

For some minutes such a call cannot begin, because no second report of its end would come.
"""

import time
from collections import OrderedDict

ENDED_EARLY_SECONDS = 300
"""Longer than a webhook and its retries can be late: Twilio gives up on each request after 15 seconds."""
ENDED_EARLY_MS = ENDED_EARLY_SECONDS * 1000
MOST_REMEMBERED = 10_000


class EndedEarly:
    """The calls that one process was told about."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def note(self, call_sid: str) -> None:
        """Remember that a call which is unknown here has ended, as the provider reports."""
        self._until.pop(call_sid, None)
        self._until[call_sid] = time.monotonic() + ENDED_EARLY_SECONDS
        while len(self._until) > MOST_REMEMBERED or next(iter(self._until.values())) <= time.monotonic():
            self._until.popitem(last=False)

    def __contains__(self, call_sid: str) -> bool:
        return self._until.get(call_sid, 0.0) > time.monotonic()
