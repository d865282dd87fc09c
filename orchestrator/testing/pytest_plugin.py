"""What pytest offers where VoiceAgent is installed: the fixture `agent_call`. pytest finds it by itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # costs nothing where no agent is tested
    from orchestrator.testing.agent_call import AgentCall


@pytest.fixture
def agent_call() -> "Iterator[Callable[..., AgentCall]]":
    """`call = agent_call(quiz)` begins a call to an agent; `call.say("Eight.")` gives what it answers."""
    from orchestrator.testing.agent_call import AgentCall

    with ExitStack() as stack:

        def begin(agent: Any, **fields: Any) -> AgentCall:
            return stack.enter_context(AgentCall(agent, **fields))

        yield begin
