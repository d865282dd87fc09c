"""Calls whose end has overtaken their beginning: the provider promises no order, and a status may come before the call.

For a while such a call cannot begin: nobody would ever end it.
"""

import time
from collections import OrderedDict

ENDED_EARLY_SECONDS = 300
"""The provider gives up on a webhook after 15 seconds, and on its retries soon after."""
ENDED_EARLY_MS = ENDED_EARLY_SECONDS * 1000
MOST_REMEMBERED = 10_000


class EndedEarly:
    """Those that one process has been told of."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def note(self, call_sid: str) -> None:
        """The provider says that this call, which is unknown here, is over."""
        self._until.pop(call_sid, None)
        self._until[call_sid] = time.monotonic() + ENDED_EARLY_SECONDS
        while len(self._until) > MOST_REMEMBERED or next(iter(self._until.values())) <= time.monotonic():
            self._until.popitem(last=False)

    def __contains__(self, call_sid: str) -> bool:
        return self._until.get(call_sid, 0.0) > time.monotonic()
