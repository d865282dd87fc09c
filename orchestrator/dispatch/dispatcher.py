"""`Dispatcher`: takes turns from an ingress and gives their replies back, whether they run here or in workers."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.retrying import until_deadline
from orchestrator.routes.admission import Admission
from orchestrator.turns.call_erasure import CallErasure

SUBMIT_DEADLINE_SECONDS = 2.0


@dataclass(slots=True)
class TakeoverAttempt:
    """A relay session's attempt to take its call over; the session keeps it over all its tries.

    `others` holds the channels of the ingresses that took the call over earlier and may still have it; None until that
    is known. An ingress that takes it over later is never asked: it asks. `sent` is what the last one says that it has
    sent to the caller; "" if it says nothing.
    """

    others: set[str] | None = None
    sent: str = ""


class Dispatcher(Protocol):
    """Submits turns and finds their replies. One per process; safe to use from many tasks."""

    @property
    def listeners(self) -> CallListeners:
        """Who hears the replies to own turns of a call, whoever has submitted them."""

    async def submit(
        self,
        turn: Turn,
        *,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
        admission: Admission | None = None,
    ) -> PendingReply:
        """Store `turn`; once this returns, it will get exactly one outcome.

        Submitting the same `turn_id` again is the same turn. `opening` holds the fields of a new
        `ConversationState` (`channel`, `direction`, `from_number`, `to_number`, `slots`, `agent`, `tenant`), used if
        the call has no state yet; without it an unknown call raises `UnknownCall`. `admission` limits how many such
        calls there may be; None: any number. `stream` asks for tokens while the reply is produced; without it the
        whole text may arrive with the result.

        Raises `UnknownCall`, `CallEnded`, `CallRefused` (no room for a new call), `TurnRejected`, `StoreFull` or
        `StoreUnavailable` (the turn may or may not be stored: submit it again).
        """

    async def accept(self, state: ConversationState, admission: Admission | None = None) -> None:
        """Tell that a call is accepted whose state was created without a turn. It counts for the limit of its
        `admission`. Raises `StoreUnavailable`."""

    async def has_room(self, admission: Admission) -> bool:
        """Return whether another call may begin with this `admission`. Raises `StoreUnavailable`."""

    async def check_destination(self, number: str, order: str) -> None:
        """Count a call that is to be placed to `number`, once for each `order`. Raise `DestinationLimited` if that many
        were placed already, or `StoreUnavailable`."""

    async def find(self, call_sid: str, turn_id: str) -> PendingReply | None:
        """Return a turn that was submitted earlier, perhaps to another ingress; None if there is none.

        Raises `StoreUnavailable`.
        """

    async def waiting(self, call_sid: str) -> list[str]:
        """Return the ids of the call's turns that have no result yet, in order. Raises `StoreUnavailable`."""

    async def erase(self, call_sid: str) -> None:
        """Delete all turns of a call whose state is about to be deleted, with their results and dead letters.

        For a day, no provider's webhook starts the call again. Raises `StoreUnavailable`.
        """

    def erasures(self, call_sid: str) -> Sequence[CallErasure]:
        """Return what erases the call in each store that may have something of it. The first one has its outbox."""

    async def is_erased(self, call_sid: str) -> bool:
        """True if the call was erased within the last day. Raises `StoreUnavailable`."""

    async def run_locally(self, state: ConversationState) -> None:
        """Continue a live call in this process, from its last known `state`, until the store is up.

        Only the ingress that has the call's socket may do that. Does nothing where all turns run in this process.
        """

    async def take_over(self, call_sid: str, attempt: TakeoverAttempt) -> None:
        """Become the one ingress that has the call.

        The ingress that had it closes its socket and writes back the turns that ran in its memory. Raises
        `StoreUnavailable`: try again with the same `attempt`.
        """


def submit_by(
    dispatcher: Dispatcher,
    turn: Turn,
    *,
    deadline_seconds: float = SUBMIT_DEADLINE_SECONDS,
    opening: Mapping[str, Any] | None = None,
    stream: bool = False,
    admission: Admission | None = None,
) -> Coroutine[Any, Any, PendingReply]:
    """`Dispatcher.submit`, repeated over `StoreUnavailable` until the deadline."""
    submit = partial(dispatcher.submit, turn, opening=opening, stream=stream, admission=admission)
    return until_deadline(submit, deadline_seconds)
