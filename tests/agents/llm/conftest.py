"""A call whose turns a language model answers: the real agent, over real sockets, against a server on loopback."""

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.model_server import ModelServer

from orchestrator.agents.host import AgentHost
from orchestrator.agents.loader import configured_agent
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.settings import Settings

LONG = 60.0
"""A deadline that no test reaches."""


class Call:
    """A call as the runner would lead it: each turn's state goes through JSON, and its record is kept."""

    def __init__(self, host: AgentHost, **settings: Any) -> None:
        options = {"agent_timeout_seconds": LONG, "llm_first_token_seconds": LONG, **settings}
        self.agent = configured_agent(Settings(_env_file=None, agent="llm", llm_model="big", **options))
        self.state = ConversationState(call_sid="CA1", from_number="+15550001111")
        self.actions: list[Any] = []
        self.host = host
        self._numbers = itertools.count(1)

    async def turn(self, kind: TurnKind, text: str = "", **fields: Any) -> str:
        """Let the agent answer; what it said."""
        turn = Turn(**{"turn_id": str(next(self._numbers)), "call_sid": "CA1", "kind": kind, "text": text, **fields})
        async with self.host.run(self.agent, turn, self.state) as run:
            parts = [part async for part in run]
        said = "".join(part for part in parts if isinstance(part, str))
        self.actions = [part for part in parts if not isinstance(part, str)]
        self.keep(turn, said, run.state)
        return said

    async def say(self, text: str) -> str:
        return await self.turn("speech", text)

    def keep(
        self, turn: Turn, said: str, state: ConversationState, outcome: Outcome = "replied", heard: str | None = None
    ) -> None:
        """Add the record of a turn to the state."""
        record = TurnRecord.of(turn, outcome, Reply(text=said)).model_copy(update={"heard": heard})
        state = state.model_copy(update={"turns": [*state.turns, record]})
        self.state = ConversationState.model_validate_json(state.model_dump_json())


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def host() -> AsyncIterator[AgentHost]:
    async with AgentHost() as host:
        yield host


@pytest.fixture
def begin(server: ModelServer, host: AgentHost) -> Callable[..., Call]:
    """Begin a call: `begin(llm_fallback_model="small")`."""
    return lambda **settings: Call(host, llm_base_url=server.url, **settings)
