"""The records and states that turns leave: pure functions from what happened to what is committed."""

from collections.abc import Mapping
from typing import Any, get_args

from orchestrator.conversation.actions import (
    LEAVING_ACTIONS,
    SCHEDULE_ACTIONS,
    Action,
    Gather,
    HandOff,
    HangUp,
    SetLanguage,
    hand_offs,
)
from orchestrator.conversation.copies import changed
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.sensitive import asks_for_sensitive, open_sensitive_question
from orchestrator.conversation.state import CallStatus, ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.timings import Timings, with_late
from orchestrator.conversation.turn import UNPROMPTED_KINDS, Turn
from orchestrator.schedule.effects import with_schedule
from orchestrator.sensitive_turns.words import with_entry
from orchestrator.turns.bounds import MOST_TURNS, TOO_LONG_REASON
from orchestrator.turns.running_turn import RunningTurn, Stop
from orchestrator.turns.store import Claim
from orchestrator.turns.unheard import note_preceding, open_question

APOLOGY = "I'm sorry, something went wrong on my side. Could you please say that again?"
MOST_REPLY_CHARACTERS = 32_000
_KNOWN_BY = 12
"""By so many characters the beginning of a reply is found in what was heard."""


def record_of_run(running: RunningTurn, outcome: Outcome, stop: Stop | None = None) -> TurnRecord:
    """Return the record of a turn that was run. The reply of one that failed ends with an apology, if
    the caller waits for it."""
    claim, reply = running.claim, running.reply
    if outcome in ("failed", "timed_out") and claim.turn.kind != "ended":
        kept = _languages(reply.actions) if claim.streamed else []
        kept += _question_again(claim)
        if claim.turn.kind in UNPROMPTED_KINDS:  # the caller has not said anything that they could say again
            reply = Reply(text=reply.text if claim.streamed else "", actions=kept)
        else:
            reply = Reply(text=_joined(reply.text, APOLOGY), actions=kept)
    record = TurnRecord.of(
        claim.turn,
        outcome,
        reply.completed(),
        epoch=claim.lease.epoch,
        first_word_at=running.first_word_at,
        reason=running.reason,
    )
    if stop is not None:
        _keep_what_was_heard(record, stop, streamed=claim.streamed)
    return record


def _question_again(claim: Claim) -> list[Action]:
    """Return what the apology asks again, so that an answer to a sensitive question stays sensitive."""
    is_due = claim.state is not None and claim.turn.has_words
    question = open_sensitive_question(claim.state.turns) if is_due and claim.state is not None else None
    return [] if question is None else [question]


def dropped_record(turn: Turn, *, epoch: int) -> TurnRecord:
    """Return the record of a turn that was not run because its call had ended."""
    return TurnRecord.of(turn, "dropped", Reply(), epoch=epoch)


def noted_record(turn: Turn, state: ConversationState, *, epoch: int) -> TurnRecord:
    """Return the record of a turn that the agent is not asked to reply to: a person has, or nobody need.

    If the caller hears something else than an answer meanwhile, the last question stays open.
    """
    reply = turn.given_reply or Reply()
    if turn.kind == "silence" and (question := open_question(state)) is not None and not _asks(reply):
        reply = reply.model_copy(update={"actions": [question, *reply.actions]})
    return TurnRecord.of(turn, "replied", reply, epoch=epoch)


def _asks(reply: Reply) -> bool:
    return reply.leaves or any(isinstance(action, Gather) for action in reply.actions)


def _joined(said: str, more: str) -> str:
    return f"{said.rstrip()} {more}" if said.strip() else more


def _keep_what_was_heard(record: TurnRecord, stop: Stop, *, streamed: bool) -> None:
    heard = stop.heard
    if heard is None and not streamed:
        heard = ""  # the reply would have been sent as a whole, so the caller heard nothing of it
    said, actions = record.reply.text, record.reply.actions
    if heard is not None:
        record.reply.text = record.heard = heard
    # What was asked for later or elsewhere holds, unless the words are run again with the next ones.
    holds: tuple[type, ...] = () if stop.reason == "merged" else SCHEDULE_ACTIONS
    holds += (SetLanguage, HandOff) if streamed else ()
    # A question that may have been heard stays sensitive.
    kept: list[Action] = [it for it in actions if isinstance(it, holds) or asks_for_sensitive((it,))]
    record.reply.actions = _heard_actions(kept, said, record.reply.text)
    if stop.reason == "merged":
        record.__pydantic_extra__ = {**(record.__pydantic_extra__ or {}), "merged": True}


def _languages(actions: list[Action]) -> list[Action]:
    """Return the actions of an unfinished reply that stay in effect: the provider received them at once."""
    return [action for action in actions if isinstance(action, SetLanguage)]


def _heard_actions(actions: list[Action], said: str, heard: str) -> list[Action]:
    """Return the actions without hand-offs of what was `said` to agents of whom nothing was `heard`.

    In those that stay, `at` is a place in what was heard.

    The caller may also have heard the beginning of an earlier run of the turn, whose worker was lost; or only that.
    """
    begin = said[:_KNOWN_BY]
    before = 0 if heard.startswith(begin[: len(heard)]) else heard.rfind(begin)
    is_known = bool(begin) and before >= 0
    kept: list[Action] = []
    for action in actions:
        if not isinstance(action, HandOff):
            kept.append(action)
        elif is_known and action.at is not None and heard[action.at + before :].strip():
            kept.append(action.model_copy(update={"at": action.at + before}))
    return kept


def note_what_was_heard(state: ConversationState, heard: str, turn_id: str | None = None) -> ConversationState:
    """Return the state with the reply to `turn_id` cut to what the caller `heard` of it.

    None stands for the last spoken reply. What an earlier interruption has noted is not changed.
    """
    for index in range(len(state.turns) - 1, -1, -1):
        record = state.turns[index]
        if turn_id is not None and record.turn_id != turn_id:
            continue
        if record.heard is not None:
            return state
        # A second run of the turn may have been stopped before its first word.
        if record.reply.text or (turn_id is not None and heard):
            kept = _heard_actions(record.reply.actions, record.reply.text, heard)
            reply = record.reply.model_copy(update={"text": heard, "actions": kept, "sealed_words": ""})
            outcome = "interrupted" if record.outcome == "replied" else record.outcome
            turns = list(state.turns)
            turns[index] = record.model_copy(update={"heard": heard, "reply": reply, "outcome": outcome})
            return state.model_copy(update={"turns": turns, **_given_back(state, record, kept)})
    return state


def _given_back(state: ConversationState, record: TurnRecord, kept: list[Action]) -> dict[str, object]:
    """Return what changes in the state if the call was handed on in `record` to agents of whom nothing was heard, and
    only `kept` is left of its actions: whoever was heard last has the call."""
    given = hand_offs(record.reply.actions)
    if len(hand_offs(kept)) == len(given) or given[-1].agent != state.agent:
        return {}
    heard = hand_offs(kept)
    phase = record.phases[len(heard)] if len(heard) < len(record.phases) else ""
    return {"agent": heard[-1].agent if heard else record.agent, "phase": phase}


def note_unfinished(state: ConversationState, unfinished: Mapping[str, str]) -> ConversationState:
    """Return the state with the replies in `unfinished` cut to what had been said when the caller spoke.

    `unfinished` maps turn ids to that text. A reply that ends the call is not cut: it is said to its end.
    """
    for turn_id, said in unfinished.items():
        record = state.record_of(turn_id)
        if record is not None and record.reply.text != said and not record.reply.leaves:
            state = note_what_was_heard(state, said, turn_id)
    return state


def note_late_timings(state: ConversationState, late: Mapping[str, Timings]) -> ConversationState:
    """Return the state with the timings in `late`, by turn id, in the records of these turns. What is known stays."""
    changed = {}
    for turn_id, stages in late.items():
        record = state.record_of(turn_id)
        if record is not None and not stages.keys() <= record.timings.keys():
            changed[turn_id] = record.model_copy(update={"timings": with_late(record.timings, stages)})
    if not changed:
        return state
    return state.model_copy(update={"turns": [changed.get(record.turn_id, record) for record in state.turns]})


def committed_state(
    before: ConversationState, after: ConversationState | None, record: TurnRecord
) -> ConversationState:
    """Return `before` with the record, what the agent changed (`after`) and, if this turn ends the call, its end.

    The record gets the replies that precede its own.
    """
    note_preceding(before, record)
    changes: dict[str, object] = {"turns": [*before.turns, record]}
    if after is not None:
        changes.update(slots=after.slots, hidden_slots=after.hidden_slots, phase=after.phase, agent=after.agent)
    if record.brought:
        changes.update(hidden_words=with_entry(before.hidden_words, record.brought))
    state = changed(before, **changes)
    return with_schedule(with_end(state, record) if state.ended is None else state, record)


def with_record(
    base: ConversationState | None, after: ConversationState | None, record: TurnRecord
) -> ConversationState | None:
    """Return the state to commit on top of `base`.

    That is `base` itself if it is None, has a record of the turn already, or belongs to a call that is over and full.
    """
    if base is None or base.record_of(record.turn_id) is not None:
        return base
    if base.ended is not None and len(base.turns) >= MOST_TURNS:
        return base
    return committed_state(base, after, record)


def with_end(state: ConversationState, record: TurnRecord) -> ConversationState:
    """Return the state with the record of the call's end, if `record` ends the call."""
    if record.kind == "ended":
        status: CallStatus = record.text if record.text in get_args(CallStatus) else "completed"  # type: ignore[assignment]
        end = EndRecord(status=status, reason="caller or provider ended the call")
    else:  # of what a reply ends with, only the first is carried out
        leaving = next((action for action in record.reply.actions if isinstance(action, LEAVING_ACTIONS)), None)
        if not isinstance(leaving, HangUp):
            return state
        is_full = leaving.reason == TOO_LONG_REASON
        end = EndRecord(status="completed", reason=TOO_LONG_REASON if is_full else "agent hung up")
    return state.model_copy(update={"status": end.status, "ended": end})


def rebased(
    fresh: ConversationState, before: ConversationState, after: ConversationState | None
) -> ConversationState | None:
    """Return `fresh`, which another process wrote, with what the agent changed between `before` and `after`."""
    if after is None:
        return None
    theirs, was, ours = (_slots_with_hidden(state) for state in (fresh, before, after))
    kept = {name: slot for name, slot in theirs.items() if name in ours or name not in was}
    kept |= {name: slot for name, slot in ours.items() if name not in was or was[name] != slot}
    slots = {name: value for name, (value, _) in kept.items()}
    hidden = {name: sealed for name, (_, sealed) in kept.items() if sealed}
    phase = after.phase if after.phase != before.phase else fresh.phase
    agent = after.agent if after.agent != before.agent else fresh.agent
    return fresh.model_copy(update={"slots": slots, "hidden_slots": hidden, "phase": phase, "agent": agent})


def _slots_with_hidden(state: ConversationState) -> dict[str, tuple[Any, str]]:
    """Return the slots, each with its encrypted value, if it has one."""
    return {name: (value, state.hidden_slots.get(name, "")) for name, value in state.slots.items()}
