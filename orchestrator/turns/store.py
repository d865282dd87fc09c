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
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from orchestrator.conversation.reply import TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.turns.dead_letter import DeadLetter
from orchestrator.turns.messages import Piece


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one call's turns. `epoch` grows by one each time it is granted."""

    call_sid: str
    holder: str
    epoch: int


@dataclass(slots=True)
class Claim:
    """A turn to be run now, under a lease.

    `state` is None when the call's state is gone. `attempt` counts the runs of this turn, from 1; `ending` says
    that the call is over though this turn comes before its end; `streamed` that somebody listens to tokens.
    `unreadable` says that there is a state, of which this process can make nothing. One that is not `confirmed` may be
    taken back by a failover: `confirm` it before the agent begins. `interruption` waits behind the turn: if it is about
    this one, its caller has cut it off already. Where the turn was begun before, and its worker lost, that may be
    words, too: the agent's `overlap` decides whether it gives way to them. `stored_bytes` is the size of the state
    where it is stored, if that is known.
    """

    lease: Lease
    turn: Turn
    state: ConversationState | None
    attempt: int = 1
    ending: bool = False
    streamed: bool = False
    unreadable: bool = False
    confirmed: bool = True
    interruption: Turn | None = None
    stored_bytes: int | None = None


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
    """`"waiting"`, with the turn that does, as it was submitted; `turn` is None where it cannot be read."""

    __slots__ = ("_json",)
    _json: bytes | str

    def __new__(cls, turn_json: bytes | str) -> "Waiting":
        found = super().__new__(cls, "waiting")
        found._json = turn_json
        return found

    @property
    def turn(self) -> Turn | None:
        """Read when it is asked for: most who look only want to know that it waits."""
        try:
            return Turn.model_validate_json(self._json)
        except ValidationError:
            return None


Found = TurnResult | Waiting | None
"""What is known of a turn: its result, that it waits, or nothing."""


class TurnStore(Protocol):
    """Where turns wait and how they are settled. Every method may raise `StoreUnavailable`; all may be repeated."""

    async def submit(
        self, turn: Turn, *, opening: Mapping[str, Any] | None = None, stream: bool = False
    ) -> TurnResult | None:
        """Put `turn` into its call's inbox and wake a worker; the result, if it already has one.

        Raises `UnknownCall`, `CallEnded`, `CallErased`, `CallRefused`, `StoreFull`, and `TurnRejected` where a hundred
        turns wait already.
        """

    async def find(self, call_sid: str, turn_id: str) -> Found:
        """The result of the turn, "waiting", or None when it was never submitted."""

    async def waiting(self, call_sid: str) -> list[str]:
        """The ids of the call's turns that have no result yet, in order; the first may be running."""

    async def claim(self, call_sid: str, holder: str) -> Claim | None:
        """The call's next turn under a new lease; None when nothing waits or another holds the lease."""

    async def confirm(self, claim: Claim) -> bool:
        """Hold the lease for longer, and for sure: no failover takes it back. False: it is lost.

        A claim that waits for it is no attempt at the turn yet.
        """

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Hold the leases for longer; those that are lost."""

    async def publish(self, lease: Lease, turn_id: str, piece: Piece) -> bool:
        """Send a piece of the reply to who listens; False when the lease is lost."""

    async def commit(
        self, claim: Claim, state: ConversationState | None, record: TurnRecord, *, keep: bool = True
    ) -> Commit:
        """Write `state`, which holds `record`, and settle the turn. `keep=False` gives the lease back in any case."""

    async def reject(self, call_sid: str, turn_id: str) -> bool:
        """Take a waiting turn off the inbox with the outcome `dropped`; False when it no longer waits."""

    async def release(self, claim: Claim) -> None:
        """Hand a claimed turn back, unrun: it does not count as an attempt.

        It does not either when the lease was lost meanwhile: who tells it was cut off, but is alive.
        """

    async def retry_later(self, claim: Claim, seconds: float) -> None:
        """Hand a claimed turn back, to be tried again after some `seconds`, perhaps by another: it was an attempt."""

    async def dead_letter(self, claim: Claim, reason: str) -> None:
        """Keep the turn in the dead-letter list, for a person to look at."""

    async def dead_letters(self) -> list[DeadLetter]:
        """The dead letters, of all calls."""

    async def erase(self, call_sid: str) -> None:
        """Forget all turns of a call whose state is about to be deleted, with their results and dead letters.

        For a day no provider's `opening` begins the call anew: `submit` raises `CallErased`.
        """

    async def is_erased(self, call_sid: str) -> bool:
        """Whether the call was erased within the last day."""
