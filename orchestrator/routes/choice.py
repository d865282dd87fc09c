"""`Choice`: what the routes say of a call, made once, when its first webhook comes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.routes.admission import Admission


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
        named = {"agent": self.agent, "tenant": self.tenant, "slots": self.slots}
        return {name: value for name, value in named.items() if value}

    @property
    def admission(self) -> Admission | None:
        """Whether there is room for the call; None where there always is."""
        return None if self.max_calls is None else Admission(self.limited_as, self.max_calls)

    def packed(self) -> dict[str, Any]:
        """Return what the choice decides, to travel with a call that has no state yet."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None, {})}

    @classmethod
    def unpacked(cls, fields: Mapping[str, Any]) -> "Choice":
        """Return what `packed` has packed. What a newer version decides besides is left out."""
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__ if name in fields})


ANY_AGENT = Choice()
"""The choice without routes."""
