"""A call to an agent without a telephone, a server or Redis: for tests of agents."""

import asyncio
from types import TracebackType
from typing import Any, Self

from orchestrator.agents.agent_run import own_copy, parts_of
from orchestrator.agents.loader import agent_of
from orchestrator.agents.protocol import Part
from orchestrator.conversation.actions import HandOff
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind


class AgentCall:
    """One call. `agent` is what `AGENT` could name: an async generator function, an object with `reply`, or its class.

        call = AgentCall(quiz)
        call.begin()
        assert call.say("Eight.") == ["No. Try again."]

    Each turn gives what the agent yielded for it, in order, and `state` is as the next turn finds it: written as JSON
    and read again, with the turn recorded. What the agent raises comes out, and then nothing of the turn is kept.
    All turns run in one event loop; in a test that is a coroutine, `await call.take(…)` instead. `fields` are those of
    the state: `from_number`, `slots`, `channel`, `settings`, …

    A `HandOff` is the last part that counts: no other agent is run. `await call.take("handed_off", "the note")` tests
    the one that gets the call.
    """

    def __init__(self, agent: Any, *, call_sid: str = "CA1", **fields: Any) -> None:
        self.state = ConversationState(call_sid=call_sid, **fields)
        self._agent = agent_of(getattr(agent, "__name__", type(agent).__name__), agent)
        self._runner: asyncio.Runner | None = None

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
        if self.state.turns:
            self.state.turns[-1].heard = heard
        return self._run("interrupted", heard) if self._agent.interruptions else []

    def hang_up(self, status: str = "completed") -> list[Part]:
        """End the call. Nobody hears what the agent says then."""
        return self._run("ended", status)

    async def take(self, kind: TurnKind, text: str = "", **fields: Any) -> list[Part]:
        """Let the agent answer a turn of this kind. `fields` are those of the turn."""
        turn_id = f"turn-{len(self.state.turns)}"
        turn = Turn(**{"turn_id": turn_id, "call_sid": self.state.call_sid, "kind": kind, "text": text, **fields})
        state = own_copy(self.state)
        parts = _up_to_a_hand_off([part async for part in parts_of(self._agent, turn, state)])
        reply = Reply()
        for part in parts:
            if isinstance(part, str):
                reply.text += part
            else:
                reply.add(part)
        state.turns.append(TurnRecord.of(turn, "replied", reply.completed()))
        self.state = ConversationState.model_validate_json(state.model_dump_json())
        self.state.settings = state.settings  # which no JSON has
        return parts

    def close(self) -> None:
        """Close the event loop of the turns. May be called twice."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _run(self, kind: TurnKind, text: str = "", **fields: Any) -> list[Part]:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self.take(kind, text, **fields))

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
