"""`AgentTable`: the agents that a process can run, by their names in the routes."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.agents.loader import configured_agent
from orchestrator.agents.protocol import Agent
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadAgent
from orchestrator.routes.agent_entry import OWN_SETTINGS, AgentEntry
from orchestrator.routes.table import RouteTable, load_routes
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class AgentTable:
    """`default` answers where no agent is named, `named` are those of the routes, with their `settings`."""

    default: Agent
    named: Mapping[str, Agent] = field(default_factory=dict)
    settings: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def agent(self, name: str) -> Agent | None:
        """Return the agent of this name; "" is the default one. None: this process does not know the name."""
        return self.named.get(name) if name else self.default

    def agent_of(self, state: ConversationState | None) -> Agent | None:
        """Return the agent that has the call. None: this process does not know its name."""
        return self.default if state is None else self.agent(state.agent)

    def settings_of(self, name: str) -> dict[str, Any]:
        """Return what the agent of this name finds in `state.settings`: a copy, which it may change."""
        return deepcopy(self.settings.get(name, {}))

    @property
    def all(self) -> list[Agent]:
        """All agents."""
        return [self.default, *self.named.values()]


def load_agents(settings: Settings, default: Agent | None = None, routes: RouteTable | None = None) -> AgentTable:
    """Return the agents of the routes and of `AGENT`, or `default` in its place. Raise `BadAgent` with all complaints,
    `BadSetting` for bad routes, which are read unless they are given."""
    table = load_routes(settings, with_hooks=False) if routes is None else routes
    complaints: list[str] = []
    named: dict[str, Agent] = {}
    try:
        default = default or configured_agent(settings)
    except BadAgent as error:
        complaints.append(str(error))
    for name, entry in table.agents.items():
        try:
            named[name] = replace(configured_agent(_settings_for(settings, entry)), name=name)
        except BadAgent as error:
            complaints.append(f"{settings.routes}:{entry.line}: agent: {str(error).removeprefix('AGENT=')}")
    if complaints or default is None:
        raise BadAgent("\n".join(complaints))
    return AgentTable(default, named, {name: entry.settings for name, entry in table.agents.items()})


def _settings_for(settings: Settings, entry: AgentEntry) -> Settings:
    """Return the settings with which the agent of an entry is made: what it has for itself goes first."""
    own = {name: value for name, value in entry.settings.items() if name in OWN_SETTINGS and isinstance(value, str)}
    prompt_file = None if "llm_prompt" in own else settings.llm_prompt_file  # the file would win
    return settings.model_copy(update={**own, "llm_prompt_file": prompt_file, "agent": entry.agent})
