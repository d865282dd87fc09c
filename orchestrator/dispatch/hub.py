"""Where an ingress's waiting turns meet what is told of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from weakref import WeakValueDictionary

from orchestrator.conversation.actions import InlineAction, inline_actions
from orchestrator.conversation.reply import TurnResult, in_order
from orchestrator.conversation.turn import Turn
from orchestrator.turns.messages import Settled, Token

CUT_OFF = ("interrupted", "dropped")
"""Outcomes whose text is no more than what was heard: there is nothing left to say."""


class Pending:
    """A submitted turn, shared by everybody in this process who waits for it.

    `submit_again` hands it to the store once more; it is set when the store has taken it. `turn` is the turn itself,
    where it is known here.
    """

    def __init__(self, call_sid: str, turn_id: str) -> None:
        self.call_sid = call_sid
        self.turn_id = turn_id
        self.since = asyncio.get_running_loop().time()
        self.result: TurnResult | None = None
        self.turn: Turn | None = None
        self.submit_again: Callable[[], Awaitable[TurnResult | None]] | None = None
        self._text = ""
        self._inline_actions: list[InlineAction] = []
        self._epoch = 0
        self._changed = asyncio.Event()

    async def wait(self, timeout_seconds: float) -> TurnResult | None:
        """The result, or None when it has not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.result is None:
                    await self._changed.wait()
        return self.result

    async def tokens(self) -> AsyncIterator[str]:
        """The reply's text as it grows; see `parts`."""
        async for part in self.parts():
            if isinstance(part, str):
                yield part

    async def parts(self, said: str = "", done: int = 0) -> AsyncIterator[str | InlineAction]:
        """The reply as it grows, after what of it was `said` and `done` before.

        What a second run of the turn says and does anew is not repeated; but where it says something else than what
        was already given, it is given from its beginning.
        """
        while True:
            changed, result = self._changed, self.result
            text, doing = self._text, self._inline_actions
            if result is not None:
                text, doing = result.reply.text, inline_actions(result.reply.actions)
                if result.outcome in CUT_OFF:
                    if not text.startswith(said):
                        return
                    doing = []
            if more := _more(said, done, text, doing, is_settled=result is not None):
                for part in more:
                    yield part
                said, done = text, max(done, len(doing))
            elif result is not None:
                return
            else:
                await changed.wait()

    def heard(self, token: Token) -> None:
        """Add a token. An older epoch's is dropped, and so is one after a gap: the result will fill it."""
        if self.result is not None or token.epoch < self._epoch:
            return
        if token.epoch > self._epoch:
            self._epoch, self._text, self._inline_actions = token.epoch, "", []
        piece = token.piece
        if piece.index <= len(self._text) and piece.done <= len(self._inline_actions):
            self._text = self._text[: piece.index] + piece.text
            self._inline_actions = [*self._inline_actions[: piece.done], *piece.inline_actions]
            self._tell()

    def settle(self, result: TurnResult) -> None:
        """The turn has its result; the first one stands."""
        if self.result is None:
            self.result = result
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _more(said: str, done: int, text: str, doing: list[InlineAction], *, is_settled: bool) -> list[str | InlineAction]:
    """What is to be given after `said` and `done`, when the reply is `text` and `doing` so far."""
    if text.startswith(said):
        return list(in_order(text, doing[done:], since=len(said)))
    if said.startswith(text) and not is_settled:  # a second run that has not caught up yet
        return []
    anew = list(in_order(text, doing))
    words = next((index for index, part in enumerate(anew) if isinstance(part, str)), None)
    if words is not None:
        anew[words] = f" {anew[words]}"
    return anew


class ReplyHub:
    """All turns that somebody in this process waits for. One that nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._waiting: WeakValueDictionary[tuple[str, str], Pending] = WeakValueDictionary()

    def pending(self, call_sid: str, turn_id: str) -> Pending:
        """The waiting turn, registered now if it was not. One that has its result is not waited for any more: whoever
        asks again asks the store, where the call may have been erased meanwhile."""
        key = (call_sid, turn_id)
        found = self._waiting.get(key)
        if found is None or found.result is not None:
            found = self._waiting[key] = Pending(call_sid, turn_id)
        return found

    def deliver(self, message: Token | Settled) -> None:
        """Pass a message on to who waits for its turn."""
        if isinstance(message, Token):
            pending = self._waiting.get((message.call_sid, message.turn_id))
            if pending is not None:
                pending.heard(message)
        else:
            pending = self._waiting.get((message.result.call_sid, message.result.turn_id))
            if pending is not None:
                pending.settle(message.result)

    def unsettled(self, older_than_seconds: float) -> list[Pending]:
        """The turns that have waited that long for a result."""
        before = asyncio.get_running_loop().time() - older_than_seconds
        return [p for p in self._waiting.values() if p.result is None and p.since <= before]
