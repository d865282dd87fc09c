"""`Choice`: what the routes say of a call, made once, when its first webhook comes."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers a call.

    - `agent` is the agent's name in the routes; "" is the one that `AGENT` names.
    - `tenant` is whose call it is; "" is nobody's in particular.
    - `max_calls` is how many calls of `limited_as` there may be at once; None: any number. `limited_as` is the tenant,
      or the number of a route that has none.
    - `slots` are what a hook adds to the state.
    - `refused` is what the caller hears instead of an agent; None: the call is taken.
    """

    agent: str = ""
    tenant: str = ""
    max_calls: int | None = None
    limited_as: str = ""
    slots: dict[str, Any] = field(default_factory=dict)
    refused: str | None = None

    @property
    def opening(self) -> dict[str, Any]:
        """The fields of the new call's state that the choice decides."""
        named = {"agent": self.agent, "tenant": self.tenant}
        return {name: value for name, value in named.items() if value}


ANY_AGENT = Choice()
"""The choice without routes."""
