"""Decides what to do with a claimed turn, from the claim and the agent alone: without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.agents.protocol import Agent, Overlap
from orchestrator.conversation.state import Activity, ConversationState, Timer, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.turns import bounds
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.isolation import MOST_ATTEMPTS, MOST_ATTEMPTS_ALONE
from orchestrator.turns.store import Claim
from orchestrator.turns.unheard import unheard


@dataclass(frozen=True, slots=True)
class Unreadable:
    """This process cannot read the state of the call: leave the turn to a process of a newer version."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The turn was attempted too often: record it as failed on top of `state`, and put it among the dead letters."""

    state: ConversationState | None
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The call is over, its state is gone, or what the turn brings was taken back: record the turn as dropped."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The turn was run before: commit the `record` of that run, so that it leaves the inbox."""

    record: TurnRecord


@dataclass(frozen=True, slots=True)
class Full:
    """The call holds as much as a call may: answer with its end, on top of `state`."""

    state: ConversationState


@dataclass(frozen=True, slots=True)
class NoteOnly:
    """A turn for which the agent is not run: commit `state`, which says what the caller heard.

    It is an interruption; or a person has given the reply; or a silence over webhooks, which is answered by what the
    caller has not heard yet.
    """

    state: ConversationState


@dataclass(frozen=True, slots=True)
class Run:
    """Run the agent with `state`."""

    state: ConversationState


Plan = Unreadable | DeadLetter | Drop | Recorded | Full | NoteOnly | Run


def plan(claim: Claim, agent: Agent) -> Plan:
    """Return what to do with the turn of `claim`."""
    state, turn = claim.state, claim.turn
    if claim.unreadable:
        is_last = claim.attempt >= MOST_ATTEMPTS
        return DeadLetter(None, "the state of its call cannot be read") if is_last else Unreadable()
    if state is None or state.ended is not None or (claim.ending and turn.kind != "ended"):
        return Drop()
    if (record := state.record_of(turn.turn_id)) is not None:
        return Recorded(record)
    if _was_taken_back(turn, state):
        return Drop()
    if bounds.is_full(claim, state):
        return Full(_with_what_was_heard(claim, agent, state))
    state = _with_what_was_heard(claim, agent, state)
    if turn.given_reply is not None or (turn.kind == "interrupted" and not agent.interruptions):
        return NoteOnly(state)
    if turn.kind == "silence" and unheard(state):
        return NoteOnly(state)
    if claim.attempt > MOST_ATTEMPTS_ALONE:
        return DeadLetter(state, f"its worker was lost {claim.attempt - 1} times while it ran")
    return Run(state)


def _was_taken_back(turn: Turn, state: ConversationState) -> bool:
    """True if the turn brings a timer or an activity that the call does not have any more."""
    has: Mapping[str, Timer | Activity] = state.timers if turn.kind == "timer" else state.activities
    return turn.kind in ("timer", "activity") and all(turn.turn_id != one.turn_id for one in has.values())


def overlap_policy(claim: Claim, agent: Agent) -> Overlap:
    """Return what happens to a turn that arrives while the turn of `claim` runs."""
    if agent.overlap is not None:
        return agent.overlap
    return "interrupt" if claim.state is not None and claim.state.channel == "relay" else "enqueue"


def _with_what_was_heard(claim: Claim, agent: Agent, state: ConversationState) -> ConversationState:
    """Return `state` with what the turn says of how much the caller heard of earlier replies."""
    turn = claim.turn
    if turn.kind == "interrupted":
        return outcomes.note_what_was_heard(state, turn.text, turn.interrupts)
    if overlap_policy(claim, agent) == "interrupt":
        return outcomes.note_unfinished(state, turn.unfinished)
    return state
