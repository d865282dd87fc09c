"""The fixture `agent_call`, which pytest finds wherever VoiceAgent is installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # costs nothing where no agent is tested
    from orchestrator.testing.agent_call import AgentCall


@pytest.fixture
def agent_call() -> "Iterator[Callable[..., AgentCall]]":
    """Return a function: `call = agent_call(quiz)` begins a call to an agent, `call.say("Eight.")` returns its
    answer."""
    from orchestrator.testing.agent_call import AgentCall

    with ExitStack() as stack:

        def begin(agent: Any, **fields: Any) -> AgentCall:
            return stack.enter_context(AgentCall(agent, **fields))

        yield begin
