"""A call to an agent without a telephone, a server or Redis: for tests of agents."""

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from orchestrator.agents.agent_run import own_copy, parts_of
from orchestrator.agents.loader import agent_of
from orchestrator.agents.protocol import Part
from orchestrator.clock import utc_now
from orchestrator.conversation.actions import LEAVING_ACTIONS, HandOff, Record, SendMessage, Transfer
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.keys import key_list, new_key
from orchestrator.schedule.effects import changes_of
from orchestrator.schedule.item import ActivityItem
from orchestrator.schedule.limits import check_schedule
from orchestrator.schedule.sealed_items import opened_item
from orchestrator.sensitive_turns.redaction import Redaction
from orchestrator.sensitive_turns.replies import opened_reply
from orchestrator.sensitive_turns.words import hidden_words
from orchestrator.testing.activity_result import activity_result
from orchestrator.turns.outcome import committed_state, note_what_was_heard
from orchestrator.turns.sensitive_run import SensitiveTurns
from orchestrator.turns.store import Claim, Lease

MOST_TIMERS = 200
"""More timers that go off in one `advance` are a loop."""


class AgentCall:
    """One call. `agent` is what `AGENT` could name: an async generator function, an object with `reply`, or its class.

        call = AgentCall(quiz)
        call.begin()
        assert call.say("Eight.") == ["No. Try again."]

    Each turn gives what the agent yielded for it, in order, and `state` is as the next turn finds it: written as JSON
    and read again, with the turn recorded. What the agent raises comes out, and then nothing of the turn is kept.
    All turns run in one event loop; in a test that is a coroutine, `await call.take(…)` instead. `fields` are those of
    the state: `from_number`, `slots`, `channel`, `settings`, …

    Nothing happens by itself. Timers go off when the test lets time pass (`advance`), an activity runs or ends when the
    test says so, and a transfer comes back with what the test says. `state.timers` and `state.activities` are those
    that are set and started, `messages` the text messages that were sent.

    After a `Gather(sensitive=True)` the next words or keys are sensitive: `state` has `[hidden]` in their place, and
    the agent gets them.

    A `HandOff` is the last part that counts: no other agent is run. `await call.take("handed_off", "the note")` tests
    the one that gets the call.
    """

    def __init__(self, agent: Any, *, call_sid: str = "CA1", **fields: Any) -> None:
        self.state = ConversationState(call_sid=call_sid, **fields)
        self.messages: list[SendMessage] = []
        self._agent = agent_of(getattr(agent, "__name__", type(agent).__name__), agent)
        self._runner: asyncio.Runner | None = None
        self._now = utc_now()
        self._activities: dict[str, ActivityItem] = {}
        self._cipher = Cipher(key_list(new_key()))
        self._sensitive = SensitiveTurns(self._cipher)

    def begin(self) -> list[Part]:
        """Begin the call: the agent greets."""
        return self._run("started")

    def say(self, text: str) -> list[Part]:
        """Let the caller say something."""
        return self._run("speech", text)

    def press(self, keys: str) -> list[Part]:
        """Let the caller press keys."""
        return self._run("keys", keys, digits=keys)

    def stay_silent(self) -> list[Part]:
        """Let the caller say nothing until the time is over."""
        return self._run("silence")

    def interrupt(self, heard: str) -> list[Part]:
        """Let the caller interrupt the last reply, of which `heard` was spoken. Only agents that ask for it are
        told."""
        brought = hidden_words(self.state, self._cipher)
        kept = Redaction(words for turn in brought.values() for words in turn).text(heard)
        self.state = note_what_was_heard(self.state, kept)
        return self._run("interrupted", heard) if self._agent.interruptions else []

    def hang_up(self, status: str = "completed") -> list[Part]:
        """End the call. Nobody hears what the agent says then."""
        return self._run("ended", status)

    def signal(self, name: str, data: dict[str, Any] | None = None) -> list[Part]:
        """Send a signal into the call."""
        return self._run("signal", name, data=data or {})

    def advance(self, seconds: float) -> list[Part]:
        """Let time pass: the timers that are due by then go off, one after the other."""
        end, parts = self._now + timedelta(seconds=seconds), list[Part]()
        for _ in range(MOST_TIMERS):
            due = [(timer.due_at, name) for name, timer in self.state.timers.items() if timer.due_at <= end]
            if not due:
                self._now = end
                return parts
            due_at, name = min(due)
            self._now = max(self._now, due_at)
            parts += self._run("timer", name)
        raise AssertionError(f"{MOST_TIMERS} timers went off within {seconds:g} s: one sets itself again and again.")

    def run_activity(self, name: str) -> list[Part]:
        """Run the function of a started activity, once, and bring its result, or its error, into the call."""
        return self._in_loop(self._run_activity(name))

    def end_activity(self, name: str, result: Any = None) -> list[Part]:
        """Bring this result of a started activity into the call, without running its function."""
        self._check_started(name)
        return self._run("activity", name, data={"result": result})

    def fail_activity(self, name: str, error: str = "TimeoutError") -> list[Part]:
        """Let a started activity fail with an error of this class, without running its function."""
        self._check_started(name)
        return self._run("activity", name, data={"error": error})

    def return_from_transfer(self, status: str = "no-answer", *, seconds: int = 0) -> list[Part]:
        """Let the caller come back from the last transfer: `no-answer`, `busy`, `failed`, `declined`, `completed`."""
        transfer = self._leaving_action()
        if not isinstance(transfer, Transfer):
            raise AssertionError("The caller was not transferred.")
        return self._run("transferred", status, data={"to": transfer.targets[-1], "seconds": seconds})

    def record(self, seconds: int, url: str = "https://example.com/recording") -> list[Part]:
        """Let the caller leave the message that the agent has asked for; 0 `seconds` for none."""
        if not isinstance(self._leaving_action(), Record):
            raise AssertionError("The caller was not asked for a message.")
        return self._run("recorded", data={"url": url if seconds else "", "seconds": seconds})

    async def take(self, kind: TurnKind, text: str = "", **fields: Any) -> list[Part]:
        """Let the agent answer a turn of this kind. `fields` are those of the turn. A timer or activity of the name
        `text` is settled by it."""
        turn = Turn(
            **{
                "turn_id": f"turn-{len(self.state.turns)}", "call_sid": self.state.call_sid, "kind": kind,
                "text": text, "received_at": self._now, **self._brought_by(kind, text), **fields,
            }
        )  # fmt: skip
        claim = Claim(Lease(self.state.call_sid, "test", 1), turn, self.state)
        sensitive = self._sensitive.begin(claim)
        turn, given = (turn, self.state) if sensitive is None else sensitive.for_agent(self.state)
        state = own_copy(given)
        parts = _up_to_a_hand_off([part async for part in parts_of(self._agent, turn, state)])
        reply = Reply()
        for part in parts:
            if isinstance(part, str):
                reply.text += part
            else:
                reply.add(part)
        record = TurnRecord.of(claim.turn, "replied", reply.completed())
        record.committed_at = self._now
        check_schedule(self.state, turn.turn_id, reply.actions)
        self.messages += [action for action in reply.actions if isinstance(action, SendMessage)]
        after = state if sensitive is None else sensitive.hide(self.state, state, record)
        self._commit(committed_state(self.state, after, record), record)
        return parts

    def close(self) -> None:
        """Close the event loop of the turns. May be called twice."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _commit(self, after: ConversationState, record: TurnRecord) -> None:
        items = changes_of(self.state, after, record).added
        whole = [opened_item(item, self._cipher) for item in items]
        self._activities |= {item.name: item for item in whole if isinstance(item, ActivityItem)}
        settings = self.state.settings  # which no JSON has
        self.state = ConversationState.model_validate_json(after.model_dump_json())
        self.state.settings = settings

    def _brought_by(self, kind: TurnKind, name: str) -> dict[str, Any]:
        """Return the fields of a turn that a timer or activity of this name brings."""
        if kind == "timer" and (timer := self.state.timers.get(name)) is not None:
            return {"turn_id": timer.turn_id, "data": timer.data, "sealed_words": timer.sealed_words}
        if kind == "activity" and (activity := self.state.activities.get(name)) is not None:
            return {"turn_id": activity.turn_id}
        return {}

    def _check_started(self, name: str) -> None:
        if name not in self.state.activities:
            raise AssertionError(f"No activity {name!r} is running. There are: {sorted(self.state.activities)}.")

    async def _run_activity(self, name: str) -> list[Part]:
        self._check_started(name)
        return await self.take("activity", name, data=await activity_result(self._activities[name]))

    def _leaving_action(self) -> Any:
        """Return the action by which the caller is away, or None. Meanwhile there may have been own turns."""
        for record in reversed(self.state.turns):
            if record.reply.leaves:
                said = opened_reply(record.reply, self.state.call_sid, self._cipher)
                return next(action for action in said.actions if isinstance(action, LEAVING_ACTIONS))
            if record.kind not in ("signal", "timer", "activity"):
                break
        return None

    def _run(self, kind: TurnKind, text: str = "", **fields: Any) -> list[Part]:
        return self._in_loop(self.take(kind, text, **fields))

    def _in_loop(self, work: Any) -> list[Part]:
        if self._runner is None:
            self._runner = asyncio.Runner()
        parts: list[Part] = self._runner.run(work)
        return parts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _up_to_a_hand_off(parts: list[Part]) -> list[Part]:
    """Return what the caller gets of an agent: nothing after a `HandOff`."""
    ends = [index for index, part in enumerate(parts, 1) if isinstance(part, HandOff)]
    return parts[: ends[0]] if ends else parts
