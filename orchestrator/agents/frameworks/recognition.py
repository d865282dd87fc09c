"""Which framework made an object.

Nothing is imported to find out: the framework of an object is in `sys.modules`. Without one this is a few look-ups.
"""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from orchestrator.agents.frameworks.options import FrameworkOptions
from orchestrator.errors import BadAgent
from orchestrator.object_loading import REQUIREMENTS

if TYPE_CHECKING:
    from orchestrator.agents.frameworks.framework_agent import FrameworkAgent

PACKAGE = "orchestrator.agents.frameworks"


@dataclass(frozen=True)
class Framework:
    """A framework whose agents are instances of `of` in `module`; `adapter` is the class that makes ours of one."""

    name: str
    module: str
    of: str
    adapter: str

    def adapt(self, name: str, found: Any) -> "FrameworkAgent":
        """Return an agent of ours. Raise `BadAgent`."""
        try:
            module = import_module(f"{PACKAGE}.{self.adapter.partition(':')[0]}")
        except ImportError as error:  # another version of the framework
            raise BadAgent(f"AGENT={name} needs {REQUIREMENTS[self.name]}: {error}") from error
        try:
            agent: FrameworkAgent = getattr(module, self.adapter.partition(":")[2])(found)
        except BadAgent as error:
            raise BadAgent(f"AGENT={name}: {error}") from None
        return agent


FRAMEWORKS = (
    Framework("pydantic_ai", "pydantic_ai.agent", "AbstractAgent", "pydantic_ai:PydanticAIAgent"),
    Framework("langgraph", "langgraph.pregel", "Pregel", "langgraph:LangGraphAgent"),
    Framework("agents", "agents.agent", "Agent", "openai_agents:OpenAIAgent"),
)


def framework_agent(name: str, found: Any, options: FrameworkOptions) -> "FrameworkAgent | None":
    """Return an agent of ours if a framework made `found`, else None. Raise `BadAgent` if it cannot answer calls."""
    if _is_instance(found, f"{PACKAGE}.framework_agent", "FrameworkAgent"):
        return found.bound(name, options)  # type: ignore[no-any-return]
    for framework in FRAMEWORKS:
        if _is_instance(found, framework.module, framework.of):
            return framework.adapt(name, found).bound(name, options)
    if _is_instance(found, "langgraph.graph.state", "StateGraph"):
        raise BadAgent(f"AGENT={name} is a graph that is not compiled. Name what its compile() returns.")
    return None


def _is_instance(found: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(found, kind)
