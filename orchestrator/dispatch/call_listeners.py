"""Who listens to calls: a relay session hears also the replies to turns that it has not submitted itself."""

from collections.abc import Callable
from typing import Protocol

from orchestrator.conversation.turn import OWN_PREFIX
from orchestrator.dispatch.pending_reply import PendingReply


class CallListener(Protocol):
    """Listens to one call. Its methods return at once."""

    def hear(self, pending: PendingReply, *, interrupts: bool) -> None:
        """Note that the reply to an own turn grows, or is complete. `interrupts`: it cuts off what is being said."""

    def missed(self) -> None:
        """Note that replies may have been missed: `look` comes as soon as it is known where the state is."""

    def look(self, version: int | None) -> None:
        """Note that the call's state has this version; None: it is not known, and replies may have been missed."""


class CallListeners:
    """The listeners of this process, one for each call."""

    def __init__(self) -> None:
        self._listeners: dict[str, CallListener] = {}

    @property
    def call_sids(self) -> list[str]:
        """Return the calls that have a listener."""
        return list(self._listeners)

    def add(self, call_sid: str, listener: CallListener) -> Callable[[], None]:
        """Let the listener hear the call from now on, in place of the one before. Return what ends that."""
        self._listeners[call_sid] = listener

        def remove() -> None:
            if self._listeners.get(call_sid) is listener:
                del self._listeners[call_sid]

        return remove

    def of_turn(self, call_sid: str, turn_id: str) -> CallListener | None:
        """Return who is to hear of this turn, if anybody is."""
        return self._listeners.get(call_sid) if turn_id.startswith(OWN_PREFIX) else None

    def missed(self, is_meant: Callable[[str], bool]) -> None:
        """Tell the listeners of the calls for which `is_meant` that they may have missed something."""
        for call_sid, listener in self._listeners.items():
            if is_meant(call_sid):
                listener.missed()

    def look(self, call_sid: str, version: int | None) -> None:
        """Tell the listener of the call, if there is one, where the state is."""
        if (listener := self._listeners.get(call_sid)) is not None:
            listener.look(version)
