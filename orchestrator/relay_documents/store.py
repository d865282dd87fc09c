"""Records which document has connected a relay call: of several, only the latest one's session is the call's.

A first document connects a call, and another one follows whenever the session was lost. They are numbered, and each
carries its number in a ticket that cannot be forged. A ticket is void once the session of a newer document has begun,
or the provider has said that its own session is over.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator import clock

TICKET_SECONDS = 900.0
"""How long after it was made a document may begin its first session. Two machines' clocks may be minutes apart."""
LIFE_SECONDS = 24 * 3600
"""How long the count of a call is kept: no call takes longer."""
MAX_CALLS_IN_MEMORY = 20_000

Standing = Literal["entered", "again", "old", "stale"]
"""`entered`: the session may begin. `again`: the same document's session is held already. `old`: a newer document has
begun its session, or this one's is over. `stale`: the ticket is older than `TICKET_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Document:
    """The `number`-th document of a call, made `at` this time (Unix seconds)."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """Whether a session may begin, or why not. With `again`, `holder` has the document's session. With `entered`,
    `before` had the call's session before, as far as that is known."""

    standing: Standing
    holder: str = ""
    before: str = ""


class RelayDocuments(Protocol):
    """Counts the documents for all ingresses. No method raises: while the store is down, each ingress decides by what
    it has seen itself."""

    async def next(self, call_sid: str, *, over: int = 0) -> Document:
        """Return the call's next document. `over` is the number of the document whose session is over, 0 for none.

        A webhook that is sent again gets the same number as long as no session has begun with it.
        """

    async def enter(self, call_sid: str, document: Document, holder: str, *, instead_of: str = "") -> Entry:
        """Begin the document's session for `holder`. `instead_of` is the holder of the same session that is gone."""

    async def has_any(self, call_sid: str) -> bool:
        """Return whether a document with a ticket was made for the call; True if that cannot be known."""

    def forget(self, call_sid: str) -> None:
        """Forget what this process knows of a call that is erased."""


@dataclass(slots=True)
class _Count:
    used: int = 0
    over: int = 0
    holder: str = ""


class MemoryRelayDocuments:
    """The documents that this process has seen."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, _Count] = OrderedDict()

    async def next(self, call_sid: str, *, over: int = 0) -> Document:
        """See `RelayDocuments`."""
        count = self._calls.get(call_sid, _Count())
        count.over = max(count.over, over)
        self._keep(call_sid, count)
        return Document(max(count.used, count.over) + 1, clock.now())

    async def enter(self, call_sid: str, document: Document, holder: str, *, instead_of: str = "") -> Entry:
        """See `RelayDocuments`."""
        count = self._calls.get(call_sid, _Count())
        if document.number <= count.over or document.number < count.used:
            return Entry("old")
        if document.number == count.used:
            if count.holder != instead_of:
                return Entry("again", count.holder)
        elif abs(clock.now() - document.at) > TICKET_SECONDS:
            return Entry("stale")
        before = count.holder
        self.record_session(call_sid, document.number, holder)
        return Entry("entered", holder, before)

    async def has_any(self, call_sid: str) -> bool:
        """See `RelayDocuments`."""
        return call_sid in self._calls

    def forget(self, call_sid: str) -> None:
        """See `RelayDocuments`."""
        self._calls.pop(call_sid, None)

    def record_session(self, call_sid: str, number: int, holder: str) -> None:
        """Record that a session has begun with the document of this number."""
        count = self._calls.get(call_sid, _Count())
        count.used, count.holder = number, holder
        self._keep(call_sid, count)

    def _keep(self, call_sid: str, count: _Count) -> None:
        self._calls[call_sid] = count
        self._calls.move_to_end(call_sid)
        if len(self._calls) > MAX_CALLS_IN_MEMORY:
            self._calls.popitem(last=False)
