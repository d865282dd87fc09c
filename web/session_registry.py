"""The open relay sessions of one ingress: at most one per call, and all of them closed when the ingress shuts down."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from typing import Protocol
from weakref import WeakValueDictionary

logger = logging.getLogger(__name__)

TAKEN_OVER = 4000
SERVICE_RESTART = 1012
POLL_SECONDS = 0.05
CLOSING_SHARE = 0.2
"""The share of the drain time that is kept for the end: peers answer our Close, and what they sent before is stored."""
HAND_OVER_SECONDS = 3.0
"""How long an ingress that drains waits until it is asked what it has sent over the sockets that it has closed."""
MOST_SENT = 1000
"""Of so many calls it is kept what was sent over a lost socket."""
TAKEN_OVER_SECONDS = 1.0
"""How long a take-over by another ingress, which waits meanwhile, gives us to store what was said."""
ADMITTED_SECONDS = 2.0
"""How long another ingress waits while a session is admitted here. It gives us 5 s to answer."""


class ClosableSession(Protocol):
    """What the registry needs of a session."""

    @property
    def call_sid(self) -> str:
        """The call that the session belongs to."""

    @property
    def is_idle(self) -> bool:
        """True if the session can be closed without cutting off the agent or the caller."""

    def close_connection(self, code: int, reason: str) -> None:
        """Start to close the WebSocket with this close code."""

    async def wait_finished(self) -> None:
        """Return when the session is over and what the caller said is stored."""


class Pingable(Protocol):
    """What the registry needs of a session's connection."""

    async def answers_ping(self, seconds: float) -> bool:
        """True if the peer answers a ping within `seconds`."""


class SessionRegistry:
    """Knows the open sessions by call. A newer session of a call replaces the older one, so that one agent speaks.

    A peer that takes longer than `ping_seconds` to answer a ping counts as gone. With `hands_over` there are other
    ingresses, which ask what was sent over a socket that they replace.
    """

    def __init__(self, *, ping_seconds: float, hands_over: bool = False) -> None:
        self._ping_seconds = ping_seconds
        self._hands_over = hands_over
        self._sessions: dict[str, ClosableSession] = {}
        self._connections: dict[str, Pingable] = {}
        self._sent: OrderedDict[str, str] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._is_draining = False

    @property
    def call_sids(self) -> list[str]:
        """Return the calls that have an open session."""
        return list(self._sessions)

    def find(self, call_sid: str) -> ClosableSession | None:
        """Return the open session of a call, or None."""
        return self._sessions.get(call_sid)

    def lock(self, call_sid: str) -> asyncio.Lock:
        """Return the lock under which a session of this call is admitted and added, one at a time."""
        return self._locks.setdefault(call_sid, asyncio.Lock())

    def add(self, session: ClosableSession, connection: Pingable) -> None:
        """Add a session that begins; close the one that its call had before."""
        before = self._sessions.get(session.call_sid)
        self._sessions[session.call_sid] = session
        self._connections[session.call_sid] = connection
        if before is not None:
            before.close_connection(TAKEN_OVER, "a newer session has this call")
        if self._is_draining:
            session.close_connection(SERVICE_RESTART, "this ingress is shutting down")

    def remove(self, session: ClosableSession) -> None:
        """Remove a session that is over, unless a newer one has replaced it."""
        if self._sessions.get(session.call_sid) is session:
            del self._sessions[session.call_sid]
            del self._connections[session.call_sid]

    def note_sent(self, call_sid: str, sent: str) -> None:
        """Keep what a session has sent of its last replies, for the one that goes on in its place."""
        self._sent[call_sid] = sent
        self._sent.move_to_end(call_sid)
        if len(self._sent) > MOST_SENT:
            self._sent.popitem(last=False)

    def take_sent(self, call_sid: str) -> str:
        """Return what `note_sent` has kept of the call, once; "" if nothing is."""
        return self._sent.pop(call_sid, "")

    async def is_answering(self, call_sid: str) -> bool:
        """`has_answering`, as another ingress asks it: a session that is just being admitted here counts, too.

        Redis may know it already, and its answer be on the way: who is told "no" would begin a second one.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ADMITTED_SECONDS), self.lock(call_sid):
                pass
        return await self.has_answering(call_sid)

    async def has_answering(self, call_sid: str) -> bool:
        """True if the call has a session here whose peer answers a ping."""
        connection = self._connections.get(call_sid)
        return connection is not None and await connection.answers_ping(self._ping_seconds)

    async def taken_over(self, call_sid: str) -> None:
        """Close the session of a call that another ingress has taken over.

        Returns when what the caller said is stored, after `TAKEN_OVER_SECONDS` at the latest.
        """
        session = self._sessions.get(call_sid)
        if session is not None:
            session.close_connection(TAKEN_OVER, "a newer session has this call")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAKEN_OVER_SECONDS):
                    await session.wait_finished()

    async def drain(self, seconds: float) -> None:
        """Close each session once it is idle, and the remaining ones shortly before `seconds` have passed.

        The provider then asks for new sessions, which begin at other ingresses.
        """
        self._is_draining = True
        if not self._sessions:
            return
        logger.info("Draining %d relay sessions", len(self._sessions), extra={"action": "relay.draining"})
        began, drained = time.monotonic(), list(self._sessions)
        while self._sessions and (spent := time.monotonic() - began) < seconds:
            is_late = spent >= seconds * (1 - CLOSING_SHARE)
            for session in list(self._sessions.values()):
                if is_late or session.is_idle:
                    session.close_connection(SERVICE_RESTART, "this ingress is shutting down")
            await asyncio.sleep(POLL_SECONDS)
        end = min(began + seconds, time.monotonic() + HAND_OVER_SECONDS)
        while self._hands_over and any(call_sid in self._sent for call_sid in drained) and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)
