"""The same small shop, made with each framework, against a model server on loopback; and a call that it answers."""

import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer

from orchestrator.agents.frameworks.options import FrameworkOptions
from orchestrator.agents.host import AgentHost
from orchestrator.agents.loader import agent_of, load_agent
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.reply import Outcome, Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn, TurnKind

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
NAMES = {
    "pydantic-ai": "pydantic_ai_pizzeria:agent",
    "langgraph": "langgraph_pizzeria:graph",
    "openai-agents": "openai_agents_pizzeria:kitchen",
}


class Call:
    """A call as the runner would lead it: each turn's state goes through JSON, and its record is kept."""

    def __init__(self, host: AgentHost, agent: Agent, settings: dict[str, Any]) -> None:
        self.host = host
        self.agent = agent
        self.settings = settings
        self.state = ConversationState(call_sid="CA1", from_number="+15550001111")
        self.actions: list[Any] = []
        self._numbers = itertools.count(1)

    def run(self, turn: Turn) -> Any:
        """A run of the agent."""
        return self.host.run(self.agent, turn, self.state.model_copy(update={"settings": self.settings}))

    async def turn(self, kind: TurnKind, text: str = "", **fields: Any) -> str:
        """Let the agent answer; what it said."""
        turn = Turn(**{"turn_id": str(next(self._numbers)), "call_sid": "CA1", "kind": kind, "text": text, **fields})
        async with self.run(turn) as run:
            parts = [part async for part in run]
        said = "".join(part for part in parts if isinstance(part, str))
        self.actions = [part for part in parts if not isinstance(part, str)]
        self.keep(turn, said, run.state)
        return said

    async def say(self, text: str, **fields: Any) -> str:
        return await self.turn("speech", text, **fields)

    def keep(
        self, turn: Turn, said: str, state: ConversationState, outcome: Outcome = "replied", heard: str | None = None
    ) -> None:
        """Add the record of a turn to the state."""
        record = TurnRecord.of(turn, outcome, Reply(text=said)).model_copy(update={"heard": heard})
        state = state.model_copy(update={"turns": [*state.turns, record]})
        self.state = ConversationState.model_validate_json(state.model_dump_json())


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer(keeps_connections=False) as server:
        yield server


@pytest.fixture
async def host() -> AsyncIterator[AgentHost]:
    async with AgentHost() as host:
        yield host


@pytest.fixture
def examples(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples of the guide, in the current directory; their model is the server's."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    monkeypatch.setenv("MODEL", "big")
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = [path.stem for path in EXAMPLES.glob("*.py")]
    yield EXAMPLES
    for name in modules:
        sys.modules.pop(name, None)


@pytest.fixture(params=list(NAMES))
def framework(request: pytest.FixtureRequest) -> str:
    """Each framework in turn."""
    return str(request.param)


@pytest.fixture
def begin(examples: Path, host: AgentHost, framework: str) -> Callable[..., Call]:
    """Begin a call with the framework's example."""

    def begin(options: FrameworkOptions | None = None, name: str = "", **settings: Any) -> Call:
        agent = load_agent(name or NAMES[framework], options=options or FrameworkOptions())
        return Call(host, agent, settings)

    return begin


@pytest.fixture
def begin_with(examples: Path, host: AgentHost) -> Callable[..., Call]:
    """Begin a call with an object that a framework made."""
    return lambda found: Call(host, agent_of("shop:agent", found), {})
