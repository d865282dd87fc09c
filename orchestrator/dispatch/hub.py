"""Delivers the replies that workers publish to the tasks of an ingress that wait for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import NamedTuple
from weakref import WeakValueDictionary

from orchestrator.conversation.actions import InlineAction, inline_actions
from orchestrator.conversation.reply import Position, TurnResult, in_order
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.encryption.cipher import Cipher
from orchestrator.sensitive_turns.replies import opened_result
from orchestrator.turns.messages import Piece, Settled, Token
from orchestrator.turns.sealed_pieces import opened_piece

CUT_OFF = ("interrupted", "dropped")
"""Outcomes whose text ends where the caller stopped to listen: there is nothing left to say."""


class _Run(NamedTuple):
    """What one run of a turn has produced so far."""

    text: str = ""
    actions: tuple[InlineAction, ...] = ()

    @classmethod
    def of(cls, result: TurnResult) -> "_Run":
        """Return the run that was recorded: all of its text, and the actions that may still be carried out."""
        is_cut_off = result.outcome in CUT_OFF
        return cls(result.reply.text, () if is_cut_off else tuple(inline_actions(result.reply.actions)))

    def grown(self, piece: Piece) -> "_Run":
        """Return the run with `piece`, or itself if a piece before that one is missing: the result will have it."""
        start = piece.start
        if start.characters > len(self.text) or start.actions > len(self.actions):
            return self
        return _Run(self.text[: start.characters] + piece.text, self.actions[: start.actions] + piece.actions)

    def after(self, said: str, actions: int, *, is_settled: bool) -> list[str | InlineAction]:
        """Return what to yield after the text `said` and the first `actions`, which may be those of another run.

        | text of this run | returned |
        |---|---|
        | continues `said` | what follows it |
        | is a beginning of `said`, and grows | nothing: a second run has not caught up yet |
        | is another one | all of it, from its beginning, after a space |
        """
        if self.text.startswith(said):
            return in_order(self.text, self.actions, Position(len(said), actions))
        if said.startswith(self.text) and not is_settled:
            return []
        return list(_after_space(in_order(self.text, self.actions)))


_NOTHING = _Run()


def _after_space(parts: Iterable[str | InlineAction]) -> Iterable[str | InlineAction]:
    """Yield `parts`, with a space before the first text."""
    space = " "
    for part in parts:
        if isinstance(part, str):
            yield space + part
            space = ""
        else:
            yield part


class Pending:
    """A submitted turn, shared by all tasks of this process that wait for it.

    `submit_again` submits it once more; it is set once the store has the turn. `turn` is None if this process knows no
    more than its id. `cipher` opens what of the reply is encrypted. `observers` are called with the result when it
    arrives.
    """

    def __init__(self, call_sid: str, turn_id: str, cipher: Cipher | None = None) -> None:
        self.call_sid = call_sid
        self.turn_id = turn_id
        self.since = asyncio.get_running_loop().time()
        self.result: TurnResult | None = None
        self.was_recorded = False
        self.turn: Turn | None = None
        self.observers: list[Callable[[TurnResult], None]] = []
        self.submit_again: Callable[[], Awaitable[TurnResult | None]] | None = None
        self._cipher = cipher
        self._run = _NOTHING
        self._epoch = 0
        self._changed: asyncio.Event | None = None  # made by the first task that waits for a change
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def has_begun(self) -> bool:
        """True if something of the reply has arrived."""
        return self.result is not None or self._run is not _NOTHING

    async def wait(self, timeout_seconds: float) -> TurnResult | None:
        """Return the result, or None after the timeout."""
        if self.result is None:
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()
            timer = loop.call_later(timeout_seconds, _wake, waiter)
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiters.remove(waiter)
        return self.result

    async def tokens(self) -> AsyncIterator[str]:
        """Yield the reply's text as it grows; see `parts`."""
        async for part in self.parts():
            if isinstance(part, str):
                yield part

    async def parts(self, said: str = "", actions: int = 0) -> AsyncIterator[str | InlineAction]:
        """Yield the reply as it grows, without the text `said` and the first `actions` that were given before.

        If the turn is run again, only what continues the text already given is yielded. If the second run says
        something else, it is yielded from its beginning.
        """
        while True:
            result = self.result
            run = self._run if result is None else _Run.of(result)
            if result is not None and result.outcome in CUT_OFF and not run.text.startswith(said):
                return
            if more := run.after(said, actions, is_settled=result is not None):
                for part in more:
                    yield part
                said, actions = run.text, max(actions, len(run.actions))
            elif result is not None:
                return
            else:
                await self._change()

    def add_token(self, token: Token) -> None:
        """Add a token, unless its epoch is over or a token before it is missing: the result has what it says."""
        if self.result is not None or token.epoch < self._epoch:
            return
        if token.epoch > self._epoch:
            self._epoch, self._run = token.epoch, _NOTHING
        piece = opened_piece(token.piece, self.call_sid, self._cipher)
        run = self._run if piece is None else self._run.grown(piece)
        if run is not self._run:
            self._run = run
            self._notify()

    def settle(self, result: TurnResult) -> None:
        """Set the result, unless the turn has one: the first one stands."""
        if self.result is None:
            self.result = result = opened_result(result, self._cipher)
            for observer in self.observers:
                observer(result)
            for waiter in self._waiters:
                _wake(waiter)
            self._notify()

    def record(self, result: TurnResult) -> None:
        """Set the result that the store had already."""
        self.was_recorded = True
        self.settle(result)

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def _change(self) -> None:
        """Wait until there is more of the reply than now."""
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class ReplyHub:
    """All turns that a task of this process waits for. A turn without a reference to its `Pending` is forgotten.

    `listeners` hear of the own turns of their calls, too. `sensitive` is the cipher of sensitive turns.
    """

    def __init__(self, listeners: CallListeners | None = None, sensitive: Cipher | None = None) -> None:
        self._sensitive = sensitive
        self.listeners = listeners or CallListeners()
        self._waiting: WeakValueDictionary[tuple[str, str], Pending] = WeakValueDictionary()

    def pending(self, call_sid: str, turn_id: str) -> Pending:
        """Return the waiting turn, registered now if it was not.

        A turn that has its result is registered again, so that the store is asked: the call may have been erased.
        """
        key = (call_sid, turn_id)
        found = self._waiting.get(key)
        if found is None or found.result is not None:
            found = self._waiting[key] = Pending(call_sid, turn_id, self._sensitive)
        return found

    def deliver(self, message: Token | Settled) -> None:
        """Give a message to the turn that it is about."""
        about = message if isinstance(message, Token) else message.result
        self.listeners.published(about.call_sid, message)
        listener = self.listeners.of_turn(about.call_sid, about.turn_id)
        pending = self._waiting.get((about.call_sid, about.turn_id))
        if pending is None:
            if listener is None:
                return
            pending = self.pending(about.call_sid, about.turn_id)
        if isinstance(message, Token):
            pending.add_token(message)
            interrupts = message.piece.interrupts
        else:
            pending.settle(message.result)
            interrupts = message.result.interrupt
        if listener is not None:
            listener.hear(pending, interrupts=interrupts)

    def unsettled(self, older_than_seconds: float) -> list[Pending]:
        """Return the turns that have waited for a result for at least `older_than_seconds`."""
        before = asyncio.get_running_loop().time() - older_than_seconds
        return [p for p in self._waiting.values() if p.result is None and p.since <= before]
