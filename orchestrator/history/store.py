"""Where the history is kept: the contract, and that of a process without Redis."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.history.amounts import KEPT_SECONDS, MINUTE, Amounts, merged

CLOSED_SECONDS = 60
"""So long after its end a minute is closed: what is added to it from then on is a change that readers are told of."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one process has counted in (a part of) a minute. Its batches have rising numbers."""

    number: int
    minute: int
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Minutes:
    """What was read. `changes` is another number once a closed minute was changed."""

    changes: int
    amounts: list[Amounts]


class HistoryStore(Protocol):
    """Keeps the minutes of a day. Every method raises `StoreUnavailable`."""

    async def add(self, holder: str, batch: Batch) -> None:
        """Add the batch of the process `holder` once, however often it comes."""

    async def read(self, minutes: Sequence[int]) -> Minutes:
        """Return what these minutes hold; {} for one in which nothing was counted, or which is too old.

        All of them are read in one round trip.
        """

    async def may_sample(self, holder: str) -> bool:
        """Return True to one process of all that ask within half a minute: it reads what describes the system."""


class MemoryHistory:
    """The history of one process."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[int, Amounts] = OrderedDict()

    async def add(self, holder: str, batch: Batch) -> None:
        """See `HistoryStore`."""
        merged(self._minutes.setdefault(batch.minute, {}), batch.amounts)
        while self._minutes and next(iter(self._minutes)) <= batch.minute - KEPT_SECONDS:
            self._minutes.popitem(last=False)
        while len(self._minutes) > KEPT_SECONDS // MINUTE:
            self._minutes.popitem(last=False)

    async def read(self, minutes: Sequence[int]) -> Minutes:
        """See `HistoryStore`."""
        return Minutes(0, [dict(self._minutes.get(minute, {})) for minute in minutes])

    async def may_sample(self, holder: str) -> bool:
        """See `HistoryStore`."""
        return True
