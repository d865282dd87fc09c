"""The seam between an ingress and whatever runs the turns: here, or in workers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.conversation.actions import InlineAction
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn


@dataclass(slots=True)
class LineClaim:
    """One session's claim to the line of its call, over all of its tries. `others`: who claimed the line before and may
    have it still; None until that is known. Who comes later is never asked for it, but asks."""

    others: set[str] | None = None


class PendingReply(Protocol):
    """A submitted turn. It goes on whether or not somebody waits; leaving it costs nothing."""

    @property
    def result(self) -> TurnResult | None:
        """The result, once it is there."""

    @property
    def turn(self) -> Turn | None:
        """The turn that was submitted; None where it is not known here."""

    async def wait(self, timeout_seconds: float) -> TurnResult | None:
        """The result, or None when it has not come in time. May be called again, and by several at once."""

    def parts(self, said: str = "", done: int = 0) -> AsyncIterator[str | InlineAction]:
        """The text of the reply as it is produced, and what is done amid it, ending when the turn has ended.

        `said` and so many inline actions as `done` were given before, and are left out.

        A turn that was run again by another worker starts over, and then only what goes beyond
        the text already given is yielded. A recorded reply comes as it was.
        """

    def tokens(self) -> AsyncIterator[str]:
        """The text alone."""


class Dispatcher(Protocol):
    """Hands turns to whoever runs them. One per process; safe to use from many tasks."""

    async def submit(
        self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False
    ) -> PendingReply:
        """Hand over `turn`; when this returns, it is stored and will get exactly one outcome.

        Submitting the same `turn_id` again is the same turn. `opening` holds the fields of a new
        `ConversationState` (`channel`, `direction`, `from_number`, `to_number`, `slots`), used if the
        call has no state yet; without it an unknown call raises `UnknownCall`. `stream` asks for tokens
        while the reply is produced; without it the text may come with the result alone.

        Raises `UnknownCall`, `CallEnded`, `CallRefused` (no room for a new call), `TurnRejected`, `StoreFull` or
        `StoreUnavailable` (nothing is known: submit again).
        """

    async def find(self, call_sid: str, turn_id: str) -> PendingReply | None:
        """The turn that was submitted earlier, perhaps to another ingress; None when nobody knows it.

        Raises `StoreUnavailable`.
        """

    async def waiting(self, call_sid: str) -> list[str]:
        """The ids of the call's turns that have no result yet, in order. Raises `StoreUnavailable`."""

    async def erase(self, call_sid: str) -> None:
        """Forget all turns of a call whose state is about to be deleted, with their results and dead letters.

        For a day, no provider's webhook begins it anew. Raises `StoreUnavailable`."""

    async def is_erased(self, call_sid: str) -> bool:
        """Whether the call was erased within the last day. Raises `StoreUnavailable`."""

    async def run_locally(self, state: ConversationState) -> None:
        """Continue a live call in this process, from its last known `state`, until the store is up.

        Only the ingress that holds the call's line may do that. Does nothing where all turns run in this process.
        """

    on_taken_over: Callable[[str], Awaitable[None]]
    """Told when another ingress has taken over the line of a call, whose SID it gets. What it returns is awaited, for a
    second or two, before that one goes on with the call."""

    async def take_over(self, call_sid: str, claim: LineClaim) -> None:
        """Become the one ingress that has the call's line: one that had it gives it up, and writes back what it went
        on with on its own. Raises `StoreUnavailable`: try again with the same `claim`."""

    async def submit_by(
        self,
        turn: Turn,
        *,
        deadline_seconds: float = 2.0,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
    ) -> PendingReply:
        """Like `submit`, trying again over `StoreUnavailable` until the deadline."""


async def first_of(pending: PendingReply, timeout_seconds: float) -> TurnResult | None:
    """`pending.wait`, bounded even against a transport that hangs."""
    try:
        return await asyncio.wait_for(pending.wait(timeout_seconds), timeout_seconds + 1)
    except TimeoutError:
        return None
