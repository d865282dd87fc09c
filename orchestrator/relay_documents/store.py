"""Which document has connected a relay call: of several, only the latest one's session is the call's.

A call is connected by a first document, and by another one whenever its session was lost. They are numbered, and each
carries its number in a ticket that nobody can forge. An older one's ticket is worth nothing once a newer one's session
has begun, or the provider has said that its own session is over.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator import clock

TICKET_SECONDS = 900.0
"""So long after it was made a document may open its first session. The clocks of two machines may be minutes apart."""
LIFE_SECONDS = 24 * 3600
"""No call takes longer."""
MOST_IN_MEMORY = 20_000

Standing = Literal["entered", "again", "old", "stale"]


@dataclass(frozen=True, slots=True)
class Document:
    """The `number`-th document of a call, made `at` this time (Unix seconds)."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """Whether a session may begin: `entered`, or why not. `again`: the same document's session is held, by `holder`."""

    standing: Standing
    holder: str = ""


class RelayDocuments(Protocol):
    """Keeps count for all ingresses. Nothing here raises: while the store is away, each goes by what it knows."""

    async def next(self, call_sid: str, *, over: int = 0) -> Document:
        """The call's next document. `over`: the number of the one whose session is over, 0 for none.

        The same webhook gets the same number as long as no session has begun with it.
        """

    async def enter(self, call_sid: str, document: Document, holder: str, *, instead_of: str = "") -> Entry:
        """Begin a session with this document's ticket. `instead_of` names the holder of one that is gone."""

    async def were_any(self, call_sid: str) -> bool:
        """Whether a document with a ticket was made for this call."""


@dataclass(slots=True)
class _Count:
    used: int = 0
    over: int = 0
    holder: str = ""


class MemoryRelayDocuments:
    """Of one process: of all that it has seen."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, _Count] = OrderedDict()

    async def next(self, call_sid: str, *, over: int = 0) -> Document:
        """See `RelayDocuments`."""
        known = self._calls.get(call_sid, _Count())
        known.over = max(known.over, over)
        self._keep(call_sid, known)
        return Document(max(known.used, known.over) + 1, clock.now())

    async def enter(self, call_sid: str, document: Document, holder: str, *, instead_of: str = "") -> Entry:
        """See `RelayDocuments`."""
        known = self._calls.get(call_sid, _Count())
        if document.number <= known.over or document.number < known.used:
            return Entry("old")
        if document.number == known.used:
            if known.holder != instead_of:
                return Entry("again", known.holder)
        elif abs(clock.now() - document.at) > TICKET_SECONDS:
            return Entry("stale")
        self.note(call_sid, document.number, holder)
        return Entry("entered", holder)

    async def were_any(self, call_sid: str) -> bool:
        """See `RelayDocuments`."""
        return call_sid in self._calls

    def note(self, call_sid: str, number: int, holder: str) -> None:
        """A session has begun with the document of this number."""
        known = self._calls.get(call_sid, _Count())
        known.used, known.holder = number, holder
        self._keep(call_sid, known)

    def _keep(self, call_sid: str, known: _Count) -> None:
        self._calls[call_sid] = known
        self._calls.move_to_end(call_sid)
        if len(self._calls) > MOST_IN_MEMORY:
            self._calls.popitem(last=False)
