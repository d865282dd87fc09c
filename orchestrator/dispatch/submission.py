"""What dispatchers do alike: hand a turn to a store and wait for it at the hub, and try again."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.hub import Pending, ReplyHub
from orchestrator.retrying import until_deadline
from orchestrator.turns.store import TurnStore

SUBMIT_DEADLINE_SECONDS = 2.0


class Submission(ABC):
    """One try to hand over a turn, and how it is repeated."""

    def __init__(self) -> None:
        self.on_taken_over: Callable[[str], Awaitable[None]] = _nobody_to_tell

    @abstractmethod
    async def submit(self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False) -> Pending:
        """Hand over `turn`; see `Dispatcher`."""

    async def submit_by(
        self,
        turn: Turn,
        *,
        deadline_seconds: float = SUBMIT_DEADLINE_SECONDS,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
    ) -> Pending:
        """Like `submit`, again and again over `StoreUnavailable` until the deadline."""
        return await until_deadline(lambda: self.submit(turn, opening=opening, stream=stream), deadline_seconds)


async def _nobody_to_tell(call_sid: str) -> None:
    """No line is held here."""


class StoreDispatcher(Submission):
    """Submits turns to a turn store. Who runs them is the business of the subclass."""

    def __init__(self, store: TurnStore, hub: ReplyHub) -> None:
        super().__init__()
        self.store = store
        self.hub = hub

    async def submit(self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False) -> Pending:
        """Hand over `turn`; see `Dispatcher`."""
        pending = self.hub.pending(turn.call_sid, turn.turn_id)  # first: the answer may be quick
        pending.turn = turn
        if pending.result is None:
            submit = partial(self.store.submit, turn, opening=opening, stream=stream)
            recorded = await submit()
            if recorded is not None:
                pending.settle(recorded)
            pending.submit_again = submit
        return pending

    async def waiting(self, call_sid: str) -> list[str]:
        """The ids of the call's turns that have no result yet, in order."""
        return await self.store.waiting(call_sid)

    async def erase(self, call_sid: str) -> None:
        """Forget all turns of a call; see `Dispatcher`."""
        await self.store.erase(call_sid)

    async def is_erased(self, call_sid: str) -> bool:
        """Whether the call was erased within the last day."""
        return await self.store.is_erased(call_sid)

    async def find(self, call_sid: str, turn_id: str) -> Pending | None:
        """A turn that was submitted before, here or elsewhere; see `Dispatcher`."""
        pending = self.hub.pending(call_sid, turn_id)
        if pending.result is None:
            found = await self.store.find(call_sid, turn_id)
            if found is None:
                return None
            if isinstance(found, TurnResult):
                pending.settle(found)
            elif pending.turn is None:
                pending.turn = found.turn
        return pending
