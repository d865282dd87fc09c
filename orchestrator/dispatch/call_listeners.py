"""Who listens to calls: a relay session hears also the replies to turns that it has not submitted itself."""

from collections.abc import Callable
from typing import Protocol

from orchestrator.conversation.turn import OWN_PREFIX
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.turns.messages import Settled, Token


class CallListener(Protocol):
    """Listens to one call. Its methods return at once."""

    def hear(self, pending: PendingReply, *, interrupts: bool) -> None:
        """Note that the reply to an own turn grows, or is complete. `interrupts`: it cuts off what is being said."""

    def missed(self) -> None:
        """Note that replies may have been missed: `look` comes as soon as it is known where the state is."""

    def look(self, version: int | None) -> None:
        """Note that the call's state has this version; None: it is not known, and replies may have been missed."""


class CallWatcher(Protocol):
    """Looks at one call from outside. Its methods return at once."""

    def heard(self, message: Token | Settled) -> None:
        """Note what is published of any turn of the call. What is sealed in it stays sealed."""

    def look(self, version: int | None) -> None:
        """Note that the call's state has this version; None: it is not known, and messages may have been missed."""


class CallListeners:
    """The listeners of this process, one for each call, and those who look at calls, at most one for each.

    `on_watch` is called when somebody begins to look at a call: what is published of it must arrive here from now on.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, CallListener] = {}
        self._watchers: dict[str, CallWatcher] = {}
        self.on_watch: Callable[[], None] = lambda: None

    @property
    def call_sids(self) -> list[str]:
        """Return the calls that have a listener, or are looked at."""
        return [*self._listeners, *(call_sid for call_sid in self._watchers if call_sid not in self._listeners)]

    def watch(self, call_sid: str, watcher: CallWatcher) -> Callable[[], None]:
        """Let the watcher hear what is published of the call, in place of the one before. Return what ends that."""
        self._watchers[call_sid] = watcher
        self.on_watch()

        def remove() -> None:
            if self._watchers.get(call_sid) is watcher:
                del self._watchers[call_sid]

        return remove

    def published(self, call_sid: str, message: Token | Settled) -> None:
        """Tell who looks at the call, if anybody does, what was published of it."""
        if (watcher := self._watchers.get(call_sid)) is not None:
            watcher.heard(message)

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
        for call_sid, watcher in self._watchers.items():
            if is_meant(call_sid):
                watcher.look(None)

    def look(self, call_sid: str, version: int | None) -> None:
        """Tell the listener of the call, and who looks at it, if there are any, where the state is."""
        for each in (self._listeners.get(call_sid), self._watchers.get(call_sid)):
            if each is not None:
                each.look(version)
