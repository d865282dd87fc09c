"""Which events the steps of a call have: pure functions from what is written to what is told."""

from collections.abc import Mapping
from typing import Any

from orchestrator import clock
from orchestrator.conversation.actions import LEAVING_ACTIONS, Transfer
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.events.event import EventType, new_event
from orchestrator.events.outbox import Announcement, CallHead, NewEvent, Unended
from orchestrator.events.record import life_of, partial_record, record_of_call, told_turn
from orchestrator.events.sinks.factory import sink_names
from orchestrator.settings import Settings
from orchestrator.version import code_version

FAILURES = ("failed", "timed_out")
"""Outcomes that `turn.failed` tells."""
CALL_ENDED = "call_ended"
"""The class of the failure of an activity whose call ended before it did."""
AGENT_RAISED = "the agent raised"
"""How the reason of a turn begins whose agent raised an error."""


class CallEvents:
    """Makes the events of calls, of the types that are `wanted`, for `sinks`.

    `agent`, `worker_version` and `tenant` are told of calls whose state names none. Without sinks, or with nothing
    wanted, there is never anything to write.
    """

    def __init__(
        self, wanted: frozenset[str], sinks: tuple[str, ...], agent: str, worker_version: str, tenant: str = ""
    ) -> None:
        self._wanted = wanted if sinks else frozenset()
        self._sinks = sinks
        self._agent = agent
        self._worker_version = worker_version
        self._tenant = tenant
        self._tells_ends = "call.ended" in self._wanted
        self._tells_turns = "turn.completed" in self._wanted

    @classmethod
    def of(cls, settings: Settings) -> "CallEvents":
        """Return the events that `settings` say."""
        return cls(settings.wanted_events, sink_names(settings), settings.agent, code_version(settings))

    @property
    def tells_nothing(self) -> bool:
        """True if there is never anything to write."""
        return not self._wanted

    def accepted(self, state: ConversationState) -> Announcement | None:
        """Return what the step announces that creates the call's `state`."""
        if "call.started" not in self._wanted:
            return Announcement(self._head(state)) if self._tells_ends else None
        head = self._head(state)
        data = {
            "channel": head.channel, "direction": head.direction,
            "from_number": head.from_number, "to_number": head.to_number, "started_at": head.life,
        }  # fmt: skip
        return Announcement(head, (self._event("call.started", state, data),))

    def committed(
        self, before: ConversationState | None, after: ConversationState, record: TurnRecord
    ) -> Announcement | None:
        """Return what the commit of a turn announces that replaces the state `before` by `after`, or None.

        `before` is None if nobody knows whether the turn was announced: then it is. A turn that `before` holds already
        was announced by the commit that wrote it, except for the end of the call, which the outbox takes once.
        """
        if not self._wanted:
            return None
        events: list[NewEvent] = []
        is_new = before is None or len(after.turns) > len(before.turns)
        if is_new and record.outcome != "dropped":
            self._add_turn(events, after, record)
        if is_new and before is not None and after.ended is not None and "activity.failed" in self._wanted:
            dropped = dropped_activities(before, record)
            events += [self._event("activity.failed", after, about) for about in dropped]
        was_over = before is not None and before.ended is not None
        ends_now = record.kind == "ended" or (after.channel == "api" and not was_over)
        is_over = after.ended is not None and self._tells_ends
        if is_over and ends_now:
            events.append(self._event("call.ended", after, record_of_call(after)))
        closes_later = is_over and not ends_now and not was_over
        is_first = before is not None and not before.turns and self._tells_ends
        if not (events or closes_later or is_first):
            return None
        return Announcement(self._head(after), tuple(events), closes_later)

    def ended(self, unended: Unended) -> NewEvent | None:
        """Return the `call.ended` of a call that nobody has written yet; None if it is not wanted.

        If the state is gone, or belongs to a later life of the SID, the record is `partial`.
        """
        if not self._tells_ends:
            return None
        head, state = unended.head, unended.state
        whose = {"agent": head.agent, "tenant": head.tenant, "worker_version": head.worker_version}
        if state is None or life_of(state) != head.life:
            return self._new("call.ended", head.call_sid, whose, partial_record(head))
        return self._new("call.ended", head.call_sid, whose | _named(state), record_of_call(state))

    def erased(self, call_sid: str, state: ConversationState | None) -> NewEvent | None:
        """Return the `call.erased` of a call, whose state is given if it can be read; None if nobody wants it."""
        if "call.erased" not in self._wanted:
            return None
        return self._new("call.erased", call_sid, self._ours if state is None else self._whose(state), {})

    def told_later(
        self, kind: EventType, call_sid: str, life: str, whose: Mapping[str, str], about: dict[str, Any]
    ) -> Announcement | None:
        """Return what is told of a life of a call whose state may be gone, or None if nobody wants it.

        `whose` has `agent`, `tenant` and `worker_version`, as far as the state named them.
        """
        if kind not in self._wanted:
            return None
        named = self._ours | {name: value for name, value in whose.items() if value}
        life = life.replace("+00:00", "Z")
        head = CallHead(call_sid, life, channel="", direction="", from_number="", to_number="", **named)
        return Announcement(head, (self._new(kind, call_sid, named, {"started_at": life, **about}),))

    def _add_turn(self, events: list[NewEvent], state: ConversationState, record: TurnRecord) -> None:
        """Add what a new turn did."""
        life = {"started_at": life_of(state)}  # a SID may be used again
        if self._tells_turns:
            events.append(self._event("turn.completed", state, life | told_turn(record)))
        if record.outcome in FAILURES and "turn.failed" in self._wanted:
            events.append(self._event("turn.failed", state, life | _failure(record)))
        if record.kind == "activity" and "error" in record.data and "activity.failed" in self._wanted:
            about = activity_failure(record.turn_id, record.text, str(record.data["error"]))
            events.append(self._event("activity.failed", state, life | about))
        if (transfer := _transfer(record)) is not None and "call.transferred" in self._wanted:
            data = life | {"turn_id": record.turn_id, "to": ", ".join(transfer.targets), "reason": transfer.reason}
            events.append(self._event("call.transferred", state, data))

    def _event(self, kind: EventType, state: ConversationState, about: dict[str, Any]) -> NewEvent:
        return self._new(kind, state.call_sid, self._whose(state), about)

    def _new(self, kind: EventType, call_sid: str, whose: dict[str, str], about: dict[str, Any]) -> NewEvent:
        return NewEvent(new_event(kind, clock.now(), {"call_sid": call_sid, **whose, **about}), self._sinks)

    def _whose(self, state: ConversationState) -> dict[str, str]:
        return self._ours | _named(state)

    @property
    def _ours(self) -> dict[str, str]:
        return {"agent": self._agent, "tenant": self._tenant, "worker_version": self._worker_version}

    def _head(self, state: ConversationState) -> CallHead:
        return CallHead(
            call_sid=state.call_sid,
            life=life_of(state),
            channel=state.channel,
            direction=state.direction,
            from_number=state.from_number,
            to_number=state.to_number,
            **self._whose(state),
        )


def _named(state: ConversationState) -> dict[str, str]:
    """Return what the state says of its agent, its tenant and the version of its workers."""
    named = {"agent": state.agent, "tenant": state.tenant, "worker_version": state.worker_version}
    return {name: value for name, value in named.items() if value}


def activity_failure(turn_id: str, name: str, failure: str) -> dict[str, Any]:
    """Return what is told of an activity that has no result: why, in one word."""
    return {"turn_id": turn_id, "activity": name, "class": failure}


def dropped_activities(before: ConversationState, record: TurnRecord) -> list[dict[str, Any]]:
    """Return what is told of the activities that ran in `before` when `record` ended its call."""
    life = {"started_at": life_of(before)}
    return [
        life | activity_failure(activity.turn_id, name, CALL_ENDED)
        for name, activity in before.activities.items()
        if activity.turn_id != record.turn_id
    ]


def failure_class(record: TurnRecord) -> str:
    """Return why a turn failed, in one word: `timed_out`, `agent_raised`, or `process_lost` (its process or worker)."""
    if record.outcome == "timed_out":
        return "timed_out"
    return "agent_raised" if record.reason.startswith(AGENT_RAISED) else "process_lost"


def _failure(record: TurnRecord) -> dict[str, Any]:
    return {
        "turn_id": record.turn_id,
        "kind": record.kind,
        "outcome": record.outcome,
        "class": failure_class(record),
        "reason": record.reason,
    }


def _transfer(record: TurnRecord) -> Transfer | None:
    """Return the transfer that the reply ends with: of what ends a reply, only the first is carried out."""
    if record.kind == "ended":
        return None
    first = next((action for action in record.reply.actions if isinstance(action, LEAVING_ACTIONS)), None)
    return first if isinstance(first, Transfer) else None
