"""Turns, and answers to them, for suites that test turn stores."""

from typing import Any

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.store import Claim, Commit, TurnStore

OPENING: dict[str, Any] = {"channel": "api"}


def a_turn(turn_id: str, call_sid: str = "CA1", kind: TurnKind = "speech", text: str = "hello") -> Turn:
    """Return a turn of a caller."""
    return Turn(turn_id=turn_id, call_sid=call_sid, kind=kind, text=text)


def as_given(turn: Turn | None) -> Turn | None:
    """Return a stored turn as it was given to the store: without the time of its submit."""
    return turn and turn.model_copy(update={"submitted_ms": None})


def answered(
    claim: Claim, text: str = "yes", outcome: Outcome = "replied", *, hang_up: bool = False
) -> tuple[ConversationState, TurnRecord]:
    """Return the state and the record to commit for `claim`."""
    assert claim.state is not None
    reply = Reply(text=text, actions=[HangUp()] if hang_up else [])
    record = TurnRecord.of(claim.turn, outcome, reply, epoch=claim.lease.epoch)
    return outcomes.committed_state(claim.state, None, record), record


async def commit(store: TurnStore, claim: Claim, text: str = "yes", **options: Any) -> Commit:
    """Commit an answer to `claim`."""
    keep = options.pop("keep", True)
    state, record = answered(claim, text, **options)
    return await store.commit(claim, state, record, keep=keep)


async def claimed(store: TurnStore, call_sid: str = "CA1", holder: str = "anna") -> Claim:
    """Claim the call, confirm the claim and return it. Fail if it is not granted."""
    claim = await store.claim(call_sid, holder)
    assert claim is not None
    assert claim.confirmed or await store.confirm(claim)
    return claim


def held(commit: Commit) -> Claim:
    """Return the next claim of a commit. Fail if there is none."""
    assert commit.next is not None
    return commit.next
