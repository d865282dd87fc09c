"""Records which of the people who were rung have taken a call. Their telephones are calls of their own at the provider:
the webhooks of the announcement that they hear come to any ingress, and so does that of the caller who is back.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

LIFE_SECONDS = 5 * 3600
"""How long an answer is kept: providers end every conversation after four hours."""
MAX_CALLS_IN_MEMORY = 20_000


class TransferAnswers(Protocol):
    """The answers to the transfers of calls. `by` is the id of the turn whose reply transferred the caller."""

    async def note(self, call_sid: str, by: str, target: int, leg: str) -> None:
        """Note that the person with this place among the transfer's targets takes the call. `leg` is the provider's id
        of the call to their telephone. Never raises: while the store is down, this process remembers it and shares it
        later."""

    async def of(self, call_sid: str, by: str) -> Mapping[int, str]:
        """Return the legs of those who take the call, by their place. Raise `StoreUnavailable` if none is known here
        and the store is down."""

    def forget(self, call_sid: str) -> None:
        """Forget what this process knows of a call that is erased."""


class MemoryTransferAnswers:
    """The answers that this process has got."""

    def __init__(self) -> None:
        self._calls: OrderedDict[tuple[str, str], dict[int, str]] = OrderedDict()

    async def note(self, call_sid: str, by: str, target: int, leg: str) -> None:
        """See `TransferAnswers`."""
        self._calls.setdefault((call_sid, by), {})[target] = leg
        self._calls.move_to_end((call_sid, by))
        if len(self._calls) > MAX_CALLS_IN_MEMORY:
            self._calls.popitem(last=False)

    async def of(self, call_sid: str, by: str) -> Mapping[int, str]:
        """See `TransferAnswers`."""
        return dict(self._calls.get((call_sid, by), {}))

    def forget(self, call_sid: str) -> None:
        """See `TransferAnswers`."""
        for key in [key for key in self._calls if key[0] == call_sid]:
            del self._calls[key]
