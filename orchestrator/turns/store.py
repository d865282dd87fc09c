"""The seam under the turns: every call's inbox and lease, and the commit that joins them to the state.

The rules that every store keeps, and the suite in `orchestrator.testing.turn_store_contract` checks:

- a turn is in its call's inbox at most once, and once it has a result it is never run again;
- turns of one call are handed out one at a time, in the order of their arrival;
- a claim that was granted later than yours makes all you still do void: `commit`, `publish`, `renew` and `release`
  of an old epoch change nothing and reach nobody, except that a `release` says that its worker lives;
- taking the last turn off the inbox and giving the lease back is one step: a turn that arrives meanwhile is
  either returned by the commit, or finds the lease free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from orchestrator import clock
from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.routes.admission import Admission
from orchestrator.turns.call_erasure import CallErasure
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.messages import Piece


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one call's turns. `epoch` grows by one with each grant."""

    call_sid: str
    holder: str
    epoch: int


@dataclass(slots=True)
class Claim:
    """A turn to be run now, under a lease.

    `state` is None if the call's state no longer exists. `attempt` counts the runs of this turn, from 1. `ending`: the
    call is over, though this turn comes before its end. `streamed`: somebody listens to tokens. `unreadable`: there is
    a state that this process cannot read. `stored_bytes`: the size of the stored state, if known; `turn_bytes`: that of
    the submitted turn. `claimed_at`: when this process had the grant (Unix seconds).

    A failover may take back a claim that is not `confirmed`, or another worker may have it by now: `confirm` it before
    the agent begins. `is_short`: its lease is shorter than others until it is renewed, so renew it soon.

    `interruption` is queued behind the turn: if it is about this one, the caller has interrupted it already. If the
    turn was begun before and its worker was lost, it may be words or a signal instead: the agent's `overlap`, or the
    signal, decides whether they interrupt the turn.

    `taken_from` is the holder that had begun this turn and let its lease expire, "" if none has. It renewed the lease
    last at `silent_since` or a little later (Unix seconds), if that is known.
    """

    lease: Lease
    turn: Turn
    state: ConversationState | None
    attempt: int = 1
    ending: bool = False
    streamed: bool = False
    unreadable: bool = False
    confirmed: bool = True
    is_short: bool = False
    interruption: Turn | None = None
    stored_bytes: int | None = None
    turn_bytes: int | None = None
    taken_from: str = ""
    silent_since: float | None = None
    claimed_at: float = field(default_factory=clock.now, compare=False)


@dataclass(frozen=True, slots=True)
class Commit:
    """What became of a commit.

    - `committed`: written; `next` is the turn to go on with, under the same lease, or None: the lease is released.
    - `recorded`: somebody else had answered the turn; nothing was written; `next` as above.
    - `conflict`: the state's version moved though the lease is ours; nothing was written; read `state` and repeat.
    - `gone`: the state no longer exists; the turn was taken off the inbox and its result told.
    - `lost`: the lease is another's; nothing was written.
    """

    status: Literal["committed", "recorded", "conflict", "gone", "lost"]
    next: Claim | None = None
    state: ConversationState | None = None


class Waiting(str):
    """`"waiting"`, with the turn as it was submitted. `turn` is None if it cannot be read."""

    __slots__ = ("_json",)
    _json: bytes | str

    def __new__(cls, turn_json: bytes | str) -> "Waiting":
        found = super().__new__(cls, "waiting")
        found._json = turn_json
        return found

    @property
    def turn(self) -> Turn | None:
        """Parse the turn on first use: most callers only need to know that it waits."""
        try:
            return Turn.model_validate_json(self._json)
        except ValidationError:
            return None


Found = TurnResult | Waiting | None
"""What is known of a turn: its result, that it waits, or nothing."""


class TurnStore(Protocol):
    """Keeps waiting turns and settles them. Every method may raise `StoreUnavailable`, and may be repeated."""

    async def submit(
        self,
        turn: Turn,
        *,
        opening: Mapping[str, Any] | None = None,
        stream: bool = False,
        admission: Admission | None = None,
    ) -> TurnResult | None:
        """Put `turn` into its call's inbox and wake a worker. Return the result if the turn has one already.

        A call begins only if its `admission` allows it; None: it does. Raise `UnknownCall`, `CallEnded`, `CallErased`,
        `CallRefused`, `StoreFull`, or `TurnRejected` if a hundred turns wait.
        """

    async def accept(self, state: ConversationState, admission: Admission | None = None) -> None:
        """Tell that a call is accepted whose state was created without a turn, once for each life of it.

        It counts for the limit of its `admission`.
        """

    async def has_room(self, admission: Admission) -> bool:
        """Return whether another call may begin with this `admission`."""

    async def check_destination(self, number: str, order: str) -> None:
        """Count a call that is to be placed to `number`, once for each `order`. Raise `DestinationLimited`."""

    async def find(self, call_sid: str, turn_id: str) -> Found:
        """Return the result of the turn, "waiting", or None if it was never submitted."""

    async def waiting(self, call_sid: str) -> list[str]:
        """Return the ids of the call's turns without a result, in order. The first may be running."""

    async def claim(self, call_sid: str, holder: str) -> Claim | None:
        """Return the call's next turn under a new lease. None if nothing waits or another holder has the lease."""

    async def confirm(self, claim: Claim) -> bool:
        """Renew the lease so that no failover takes it back. Return False if it is lost.

        Until then the claim does not count as an attempt at the turn.
        """

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Renew the leases. Return those that are lost."""

    async def publish(self, lease: Lease, turn_id: str, piece: Piece) -> bool:
        """Send a piece of the reply to the listeners. Return False if the lease is lost."""

    async def commit(
        self,
        claim: Claim,
        state: ConversationState | None,
        record: TurnRecord,
        *,
        keep: bool = True,
        is_recorded: bool = False,
    ) -> Commit:
        """Write `state`, which holds `record`, and settle the turn. `keep=False` always releases the lease.

        `is_recorded`: the store's state had this record already, and whoever wrote it has told what the turn did.
        """

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        """Settle a waiting turn with the outcome `dropped`. Return False if it no longer waits."""

    async def release(self, claim: Claim) -> None:
        """Release the lease with its turn unrun: that does not count as an attempt.

        If the lease was lost meanwhile, the claim does not count either: its worker was cut off, but is alive.
        """

    async def retry_later(self, claim: Claim, seconds: float, *, is_attempt: bool = True) -> None:
        """Release the lease. The turn is tried again after `seconds`, perhaps by another worker: this was an
        attempt, unless this process lacks what another may have."""

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        """Add the turn to the dead letters, for a person to look at."""

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters of all calls."""

    @property
    def erasure(self) -> CallErasure:
        """What erases calls wherever the store keeps something of them."""

    async def erase(self, call_sid: str) -> None:
        """Delete the turns, results and dead letters of a call whose state is about to be deleted.

        For a day no provider's `opening` begins the call again: `submit` raises `CallErased`.
        """

    async def is_erased(self, call_sid: str) -> bool:
        """Return True if the call was erased within the last day."""
