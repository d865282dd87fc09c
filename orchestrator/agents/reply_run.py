"""`ReplyRun`: the agents that answer one turn, one after the other, as each hands the call on to the next."""

import time

from orchestrator.agents.agent_run import AgentRun
from orchestrator.agents.agent_table import AgentTable
from orchestrator.agents.host import AgentHost
from orchestrator.agents.protocol import Agent, Part, Placement
from orchestrator.conversation.actions import HandOff
from orchestrator.conversation.copies import changed
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadHandOff
from orchestrator.process_metrics import catalog

MOST_HAND_OFFS = 5
"""How many times the call may be handed on in one turn."""


class ReplyRun:
    """The parts of all agents that answer `turn`, as an async iterator; used like the `AgentRun` of one.

    An agent that yields a `HandOff` is run to its end, without a word more. Then the next one gets a turn of kind
    `handed_off` and its slots; `phase` begins anew. `reply` is what they have yielded so far: the next agent sees it as
    the record of this turn. Asking for a part raises `BadHandOff` for an agent that nobody knows. In a call that has
    ended a `HandOff` is dropped: nobody hears the next agent.
    """

    def __init__(
        self,
        agents: AgentTable,
        host: AgentHost,
        agent: Agent,
        turn: Turn,
        state: ConversationState,
        placement: Placement,
        reply: Reply,
    ) -> None:
        self.agent = agent
        """The agent that runs, or ran last."""
        self.phases: list[str] = []
        """The phase in which each agent left the call that it handed on."""
        self.began = time.perf_counter()
        self._agents = agents
        self._host = host
        self._turn = turn
        self._given = state
        self._placement = placement
        self._names = [state.agent]
        self._reply = reply
        self._hand_off: HandOff | None = None
        self._last_text = ""
        self._is_joint = False
        self._run = self._begin(agent, turn, state)

    def __aiter__(self) -> "ReplyRun":
        return self

    async def __anext__(self) -> Part:
        while True:
            try:
                part = await self._run.__anext__()
            except StopAsyncIteration:
                if self._hand_off is None:
                    raise
                await self._hand_over(self._hand_off)
                continue
            if self._hand_off is not None or (isinstance(part, HandOff) and self._turn.kind == "ended"):
                continue
            if isinstance(part, HandOff):
                self._hand_off = self._checked(part)
            return self._spaced(part) if isinstance(part, str) else part

    def _spaced(self, text: str) -> str:
        """Return the text with a blank before it if it is the first of an agent, and the one before it left none."""
        if text and self._is_joint:
            self._is_joint = False
            if self._last_text and not self._last_text[-1].isspace() and not text[0].isspace():
                text = f" {text}"
        self._last_text = text or self._last_text
        return text

    async def aclose(self) -> None:
        """End the agent that runs. May be called twice."""
        await self._run.aclose()

    @property
    def was_killed(self) -> bool:
        """True if the agent could only be ended by killing its process."""
        return self._run.was_killed

    @property
    def state(self) -> ConversationState:
        """The state as the last agent left it: the given one with its `slots`, `phase` and `agent`."""
        return self._changed(self._run.state, len(self.phases))

    def state_when_stopped(self, hand_offs: int) -> ConversationState:
        """The state as it was when the reply was stopped, of which the caller has heard so many hand-offs: who was not
        heard does not have the call. To be read after closing."""
        return self._changed(self._run.state_when_stopped, min(hand_offs, len(self.phases)))

    def _changed(self, left: ConversationState, hand_offs: int) -> ConversationState:
        phase = left.phase if hand_offs == len(self.phases) else self.phases[hand_offs]
        return changed(self._given, slots=left.slots, phase=phase, agent=self._names[hand_offs])

    def _begin(self, agent: Agent, turn: Turn, state: ConversationState) -> AgentRun:
        name = state.agent
        if name:  # without routes nobody has settings, or hands a call over
            update = {"settings": self._agents.settings_of(name), "turns": self._seen_turns(state.turns)}
            state = state.model_copy(update=update)
        return self._host.run(agent, turn, state, self._placement)

    def _seen_turns(self, turns: list[TurnRecord]) -> list[TurnRecord]:
        """Return the turns that the next agent sees, this one as far as it has come among them."""
        if self._hand_off is None:
            return seen_turns(turns)
        if self._hand_off.history == "none":
            return []
        said = Reply(text=self._reply.text, actions=list(self._reply.actions))
        return seen_turns([*turns, TurnRecord.of(self._turn, "replied", said)])

    def _checked(self, hand_off: HandOff) -> HandOff:
        if self._agents.named.get(hand_off.agent) is None:
            raise BadHandOff(f"The agent handed the call to {hand_off.agent!r}, which the routes do not name")
        if len(self.phases) >= MOST_HAND_OFFS:
            raise BadHandOff(f"The agents handed the call on more than {MOST_HAND_OFFS} times in one turn")
        return hand_off

    async def _hand_over(self, hand_off: HandOff) -> None:
        await self._run.aclose()
        catalog.observe_run(self.agent.name, self.began, "handed_off")
        left = self._run.state
        self.phases.append(left.phase)
        self._names.append(hand_off.agent)
        turn = self._turn.model_copy(
            update={"kind": "handed_off", "text": hand_off.note, "digits": "", "hop": len(self.phases)}
        )
        state = self._given.model_copy(update={"slots": left.slots, "phase": "", "agent": hand_off.agent})
        self.agent, self.began = self._agents.named[hand_off.agent], time.perf_counter()
        self._run = self._begin(self.agent, turn, state)
        self._hand_off, self._is_joint = None, True


def seen_turns(turns: list[TurnRecord]) -> list[TurnRecord]:
    """Return the turns that the agent sees which has the call: since it was handed over with `history="none"`."""
    for place in range(len(turns) - 1, -1, -1):
        record = turns[place]
        actions = record.reply.actions
        for index in range(len(actions) - 1, -1, -1):
            action = actions[index]
            if isinstance(action, HandOff) and action.history == "none":
                return [_since(record, index, action), *turns[place + 1 :]]
    return list(turns)


def _since(record: TurnRecord, index: int, hand_off: HandOff) -> TurnRecord:
    """Return the record as the second agent may see it: the note, and what was said from then on."""
    begin = len(record.reply.text) if hand_off.at is None else hand_off.at
    reply = record.reply.model_copy(
        update={"text": record.reply.text[begin:], "actions": record.reply.actions[index + 1 :]}
    )
    heard = None if record.heard is None else record.heard[begin:]
    return record.model_copy(update={"kind": "handed_off", "text": hand_off.note, "reply": reply, "heard": heard})
