"""The relay sessions of one ingress: one a call, and all of them brought to an end when the ingress leaves."""

import asyncio
import contextlib
import logging
import time
from typing import Protocol
from weakref import WeakValueDictionary

logger = logging.getLogger(__name__)

TAKEN_OVER = 4000
SERVICE_RESTART = 1012
LOOK_SECONDS = 0.05
PARTING_SHARE = 0.2
"""Of the time for draining: for peers to answer our Close, and for what they had said before to be stored."""
TAKEN_OVER_SECONDS = 1.0
"""So long whoever takes a call over waits for what was said over the line before; it is waited for itself."""
PING_SECONDS = 3.0
"""A peer that takes longer to answer a ping is gone."""


class ClosableSession(Protocol):
    """A session, as far as the registry knows it."""

    @property
    def call_sid(self) -> str:
        """Whose it is."""

    @property
    def is_quiet(self) -> bool:
        """Whether it can be closed without cutting anybody short."""

    def give_up(self, code: int, reason: str) -> None:
        """Close it."""

    async def ended(self) -> None:
        """Return when it is closed, and what the caller said is stored."""


class Pingable(Protocol):
    """The line of a session, as far as the registry knows it."""

    async def answers(self, seconds: float) -> bool:
        """Whether the peer answers a ping in time."""


class SessionRegistry:
    """Knows the live sessions by call. Of two sessions for one call the newer one stays: there are no two voices."""

    def __init__(self) -> None:
        self._sessions: dict[str, ClosableSession] = {}
        self._lines: dict[str, Pingable] = {}
        self._entrances: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._leaving = False

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def call_sids(self) -> list[str]:
        """The calls whose sessions are open."""
        return list(self._sessions)

    def entrance(self, call_sid: str) -> asyncio.Lock:
        """Held by whoever is about to let a session of this call begin: one after the other."""
        return self._entrances.setdefault(call_sid, asyncio.Lock())

    def enter(self, session: ClosableSession, line: Pingable) -> None:
        """A session has begun."""
        before = self._sessions.get(session.call_sid)
        self._sessions[session.call_sid] = session
        self._lines[session.call_sid] = line
        if before is not None:
            before.give_up(TAKEN_OVER, "a newer session has this call")
        if self._leaving:
            session.give_up(SERVICE_RESTART, "this ingress leaves")

    def leave(self, session: ClosableSession) -> None:
        """A session has ended."""
        if self._sessions.get(session.call_sid) is session:
            del self._sessions[session.call_sid]
            del self._lines[session.call_sid]

    async def is_answering(self, call_sid: str) -> bool:
        """Whether the call has a session here whose peer answers a ping."""
        line = self._lines.get(call_sid)
        return line is not None and await line.answers(PING_SECONDS)

    async def taken_over(self, call_sid: str) -> None:
        """Another ingress has the call's newer session. Returns when it is given up here, or nearly."""
        held = self._sessions.get(call_sid)
        if held is not None:
            held.give_up(TAKEN_OVER, "a newer session has this call")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAKEN_OVER_SECONDS):
                    await held.ended()

    async def drain(self, seconds: float) -> None:
        """Close each session once its reply has been spoken, and all that are left when the time is over.

        The provider then asks for new sessions, at ingresses that stay.
        """
        self._leaving = True
        if not self._sessions:
            return
        logger.info("%d relay sessions are handed over", len(self._sessions), extra={"action": "relay.draining"})
        began = time.monotonic()
        while self._sessions and (spent := time.monotonic() - began) < seconds:
            is_late = spent >= seconds * (1 - PARTING_SHARE)
            for session in list(self._sessions.values()):
                if is_late or session.is_quiet:
                    session.give_up(SERVICE_RESTART, "this ingress leaves")
            await asyncio.sleep(LOOK_SECONDS)
